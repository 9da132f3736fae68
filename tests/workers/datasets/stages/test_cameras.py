"""Cameras of clips: given, standing still, solved by structure from motion, or unknown and said so."""

import importlib.util
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tests.support.synthetic_datasets import make_dataset, make_source, rendered_clip
from workers.datasets import oriented_boxes
from workers.datasets.boxes3d.lifting import lift_track
from workers.datasets.cameras.clip_camera import ClipCamera
from workers.datasets.cameras.colmap_solver import ColmapSolver, load_solver
from workers.datasets.cameras.still_camera import StillCameraDetector
from workers.datasets.images import encode_jpeg
from workers.datasets.observations import TrackObservation
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth, KnownBox
from workers.formats.rle import encode_mask
from workers.geometry.cameras import Camera

SIZE, FOCAL = (240, 320), 300.0
INTRINSICS = Camera(SIZE[1], SIZE[0], FOCAL, FOCAL, SIZE[1] / 2, SIZE[0] / 2)


@lru_cache
def walk(frames: int = 16) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Three textured planes at 3, 4 and 6 metres, seen by a camera that walks past them; exact poses."""
    rng = np.random.default_rng(0)
    height, width = SIZE
    k = np.array([[FOCAL, 0, width / 2], [0, FOCAL, height / 2], [0, 0, 1]])
    planes = []
    for z, side, x, y in ((6.0, 16.0, -8.0, -6.0), (4.0, 2.2, -2.4, -1.5), (3.0, 1.6, 0.8, -0.2)):
        noise = cv2.GaussianBlur(rng.integers(0, 256, (700, 700, 3)).astype(np.uint8), (0, 0), 1.6)
        planes.append((z, side / 700, x, y, cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)))
    images, poses = [], []
    for index in range(frames):
        t = index / (frames - 1)
        pose = np.eye(4)
        turn = Rotation.from_euler("yx", [-12 * t, 4 * np.sin(3 * t)], degrees=True)
        pose[:3, :3], pose[:3, 3] = turn.as_matrix(), (1.6 * t, -0.3 * np.sin(2 * t), 0.4 * t)
        view = np.linalg.inv(pose)
        image = np.zeros((height, width, 3), np.uint8)
        for z, pitch, x, y, texture in planes:
            corner = view[:3, :3] @ np.array([x, y, z]) + view[:3, 3]
            plane = k @ np.column_stack([view[:3, 0] * pitch, view[:3, 1] * pitch, corner])
            drawn_on = cv2.warpPerspective(texture, plane, (width, height))
            inside = cv2.warpPerspective(np.full((700, 700), 255, np.uint8), plane, (width, height)) > 200
            image[inside] = drawn_on[inside]
        images.append(image)
        poses.append(pose)
    return images, np.array(poses)


def test_a_static_camera_is_distinguished_from_a_moving_one() -> None:
    walking, still = StillCameraDetector(), StillCameraDetector()
    images, _ = walk()
    rng = np.random.default_rng(1)
    for image in images:
        walking.add(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        noisy = np.clip(images[0] + rng.normal(0, 3, images[0].shape), 0, 255).astype(np.uint8)
        # something crosses the image; the rest stays
        noisy[80:140, 40:100] = 200
        still.add(cv2.cvtColor(noisy, cv2.COLOR_RGB2GRAY))
    assert still.is_still and not walking.is_still


def test_a_camera_is_not_called_static_without_image_features() -> None:
    detector = StillCameraDetector()
    for _ in range(4):
        detector.add(np.full(SIZE, 128, np.uint8))
    assert not detector.is_still


def test_a_still_camera_makes_a_world_of_its_own_frame(tmp_path: Path) -> None:
    images, _ = walk()
    frames = [images[0].copy() for _ in range(24)]
    for index, frame in enumerate(frames):
        cv2.circle(frame, (60 + 5 * index, 60), 20, (250, 30, 30), -1)
    [clip] = make_dataset(
        tmp_path,
        [make_source(frames, truth=GroundTruth(lambda frame: {}, {}))],
        DatasetSettings(phrases=("ball",), clip_seconds=5.0, min_clip_seconds=1.0),
    ).clips()
    assert clip.row.camera_source == "static" and clip.row.scale_source == "relative"
    pose = clip.world_from_cam(5)
    assert pose is not None and np.array_equal(pose, np.eye(4))
    assert {row.values for row in clip.actions} == {(0.0,) * 6}


@pytest.mark.skipif(importlib.util.find_spec("pycolmap") is None, reason="pycolmap is not installed")
@pytest.mark.parametrize("known", [True, False])
def test_structure_from_motion_finds_the_path_and_the_focal_length(known: bool) -> None:
    images, truth = walk()
    height, width = SIZE
    given = Camera(width, height, FOCAL, FOCAL, width / 2, height / 2)
    camera = given if known else Camera.assumed(width, height)
    nothing = np.zeros(SIZE, np.bool_)
    actual = ColmapSolver()([encode_jpeg(image) for image in images], camera, lambda frame: nothing)
    assert actual is not None and actual.poses is not None and actual.scale == "relative"
    assert actual.intrinsics.fx == pytest.approx(FOCAL, rel=0.02)
    stated, exact = actual.poses[:, :3, 3], truth[:, :3, 3]
    stated, exact = stated - stated[0], exact - exact[0]
    # one rotation and one scale take one world to the other
    turn = truth[0, :3, :3] @ actual.poses[0, :3, :3].T
    scale = np.linalg.norm(exact[-1]) / np.linalg.norm(stated[-1])
    assert float(np.abs(scale * stated @ turn.T - exact).max()) < 0.03
    turns = [(turn @ a[:3, :3]).T @ b[:3, :3] for a, b in zip(actual.poses, truth, strict=True)]
    assert max(np.linalg.norm(Rotation.from_matrix(t).as_rotvec(degrees=True)) for t in turns) < 0.5


@pytest.mark.skipif(importlib.util.find_spec("pycolmap") is None, reason="pycolmap is not installed")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rooms_of_soft_walls_and_moving_things_are_solved_right_or_not_at_all(seed: int) -> None:
    clip = rendered_clip(seed, 24)
    camera = Camera(256, 256, clip.intrinsics[0, 0], clip.intrinsics[1, 1], 128, 128)
    actual = ColmapSolver()(
        [encode_jpeg(frame) for frame in clip.frames], camera, lambda frame: clip.ids[frame] > 0
    )
    if actual is None:
        return
    assert actual.poses is not None
    turns = [
        (actual.poses[0, :3, :3].T @ a[:3, :3]).T @ clip.world_from_cam[0, :3, :3].T @ b[:3, :3]
        for a, b in zip(actual.poses, clip.world_from_cam, strict=True)
    ]
    assert max(np.linalg.norm(Rotation.from_matrix(t).as_rotvec(degrees=True)) for t in turns) < 2


def test_the_solver_is_there_when_its_package_is() -> None:
    assert (load_solver() is None) == (importlib.util.find_spec("pycolmap") is None)


def metric(poses: NDArray[np.float64]) -> ClipCamera:
    """A camera with known poses in metres."""
    return ClipCamera(intrinsics=INTRINSICS, poses=poses, source="given", scale="metric")


def observe_cube(poses: NDArray[np.float64], center: NDArray[np.float64]) -> list[TrackObservation]:
    """A cube of 40 cm at `center`, seen by each camera; boxes without masks of their own."""
    collected = []
    for frame, pose in enumerate(poses):
        corners = oriented_boxes.SIGNS * 0.4 + center
        local = (corners - pose[:3, 3]) @ pose[:3, :3]
        pixels = oriented_boxes.project(local, INTRINSICS.matrix())
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        area = int((box[2] - box[0]) * (box[3] - box[1]))
        collected.append(
            TrackObservation(
                frame=frame,
                box=box,
                score=1.0,
                mask=encode_mask(np.ones((2, 2), np.bool_)),
                area=area,
                depth=None,
                points=None,
                flags=(),
            )
        )
    return collected


def test_a_thing_that_stands_still_is_triangulated_from_known_cameras() -> None:
    _, poses = walk()
    center = np.array([0.5, 0.1, 4.0])
    lifted = lift_track(observe_cube(poses, center), "thing", metric(poses), None)
    assert len(lifted) == len(poses)
    for box in lifted.values():
        assert box.source == "multiview" and box.scale_source == "metric" and "rotation_unknown" in box.flags
        assert box.center_world is not None
        # the middle of a box in the image is not quite the middle of the thing
        assert float(np.linalg.norm(np.array(box.center_world) - center)) < 0.1
    # two cameras in one place see no depth
    assert not lift_track(observe_cube(poses[:1].repeat(5, axis=0), center), None, metric(poses), None)


def test_a_usual_size_is_a_guess_that_says_so() -> None:
    _, poses = walk()
    seen = observe_cube(poses[:4], np.array([0.5, 0.1, 4.0]))
    lifted = lift_track(seen, "cup", ClipCamera(intrinsics=INTRINSICS), None)
    for box in lifted.values():
        assert box.scale_source == box.source == "prior" and box.confidence <= 0.3
        assert "scale_not_metric" in box.flags and box.center_world is None
    assert lift_track(seen, "wedge", ClipCamera(intrinsics=INTRINSICS), None) == {}


def test_known_boxes_keep_their_pose_in_camera_and_world() -> None:
    _, poses = walk()
    place = np.eye(4)
    place[:3, :3] = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    place[:3, 3] = (0.2, 0.1, 4.0)
    known = {frame: KnownBox(place, np.array([0.3, 0.4, 0.5])) for frame in range(len(poses))}
    for frame, box in lift_track([], None, metric(poses), known).items():
        assert box.center_world is not None and box.rotation_world is not None
        world = oriented_boxes.compute_corners(box.center_world, box.size, box.rotation_world)
        camera = oriented_boxes.compute_corners(box.center_cam, box.size, box.rotation_cam)
        back = camera @ poses[frame][:3, :3].T + poses[frame][:3, 3]
        assert np.allclose(world, back, atol=1e-9) and box.flags == ()
