"""Drawn clips with oracle masks, depth and cameras: the record says exactly what is true."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.synthetic_datasets import make_dataset, movi_source, rendered_clip
from workers.datasets import oriented_boxes
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth, Source, SourceInfo
from workers.geometry.boxes import bounding_box
from workers.geometry.poses import matrix_from_quaternion

pytestmark = pytest.mark.slow

SEEDS = (0, 3)
EVERYTHING = DatasetSettings(
    phrases=("ball", "box", "capsule", "cylinder", "torus", "cone", "wedge"), clip_seconds=5.0, size=256
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    sources = [movi_source(rendered_clip(seed, 48), name=str(seed)) for seed in SEEDS]
    return make_dataset(tmp_path_factory.mktemp("truth"), sources, EVERYTHING)


def of_seed(data: Dataset, seed: int) -> SceneClip:
    return next(clip for clip in data.clips() if clip.source.name == str(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_and_boxes_equal_the_rendered_ones(data: Dataset, seed: int) -> None:
    clip, truth = of_seed(data, seed), rendered_clip(seed, 48)
    assert clip.row.frames == 48 and clip.tracks
    for row in clip.observations:
        exact = truth.ids[row.frame] == row.track
        assert np.array_equal(clip.mask(row), exact)
        assert (row.x0, row.y0, row.x1, row.y1) == bounding_box(exact)


@pytest.mark.parametrize("seed", SEEDS)
def test_projected_corners_are_those_of_the_truth(data: Dataset, seed: int) -> None:
    clip, truth = of_seed(data, seed), rendered_clip(seed, 48)
    worst = 0.0
    for row in clip.observations:
        number = row.track - 1
        pose = np.linalg.inv(truth.world_from_cam[row.frame]) @ truth.world_from_object[row.frame, number]
        exact = oriented_boxes.SIGNS * truth.sizes[number] @ pose[:3, :3].T + pose[:3, 3]
        corners = clip.corners(row)
        assert corners is not None
        error = oriented_boxes.project(corners, clip.intrinsics(row.frame)) - oriented_boxes.project(
            exact, truth.intrinsics
        )
        worst = max(worst, float(np.nanmax(np.abs(error))))
        assert row.box3d_source == "given" and row.scale_source == "metric"
    assert worst <= 1e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_stored_depth_projects_back_to_within_a_centimetre(data: Dataset, seed: int) -> None:
    clip, truth = of_seed(data, seed), rendered_clip(seed, 48)
    errors = []
    for frame in range(0, 48, 7):
        depth, pose = clip.depth(frame), clip.world_from_cam(frame)
        assert depth is not None and pose is not None
        everywhere = np.ones(clip.size, np.bool_)
        k = clip.intrinsics(frame)
        stated = oriented_boxes.back_project(depth, everywhere, k) @ pose[:3, :3].T + pose[:3, 3]
        turn = truth.world_from_cam[frame]
        exact = oriented_boxes.back_project(truth.depth[frame], everywhere, truth.intrinsics)
        errors.append(np.linalg.norm(stated - (exact @ turn[:3, :3].T + turn[:3, 3]), axis=1))
    assert float(np.percentile(np.concatenate(errors), 99)) <= 0.01


def test_masked_depth_lies_inside_the_boxes(data: Dataset) -> None:
    for clip in data.clips():
        for row in clip.observations[::5]:
            depth = clip.depth(row.frame)
            assert depth is not None and row.center_cam is not None
            assert row.rotation_cam is not None and row.size is not None
            points = oriented_boxes.back_project(depth, clip.mask(row), clip.intrinsics(row.frame))
            local = (points - row.center_cam) @ matrix_from_quaternion(row.rotation_cam)
            assert np.all(np.abs(local) <= np.array(row.size) / 2 + 0.02)


def test_ego_motion_joins_one_camera_to_the_next(data: Dataset) -> None:
    clip = of_seed(data, SEEDS[0])
    assert len(clip.actions) == 47
    from scipy.spatial.transform import Rotation

    for action in clip.actions:
        step = np.eye(4)
        step[:3, 3] = action.values[:3]
        step[:3, :3] = Rotation.from_rotvec(action.values[3:]).as_matrix()
        here, there = clip.world_from_cam(action.frame), clip.world_from_cam(action.frame + 1)
        assert here is not None and there is not None
        assert np.allclose(here @ step, there, atol=1e-9)


def without(source: Source, *, boxes: bool = True, depth: bool = True) -> Source:
    truth = source.truth
    kept = GroundTruth(
        truth.objects, truth.labels, None if depth else truth.depth, None if boxes else truth.boxes
    )
    return replace(source, truth=kept)


def test_depth_alone_places_objects_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    source = without(movi_source(rendered_clip(0, 48)), depth=False)
    clip = next(make_dataset(tmp_path, [source], EVERYTHING).clips())
    truth = rendered_clip(0, 48)
    errors = []
    for row in clip.observations:
        if row.area < 16:
            # too few points to say anything
            assert row.box3d_source is None and row.center_world is None
            continue
        assert row.box3d_source == "depth" and row.center_world is not None
        if "truncated" not in row.flags:
            number = row.track - 1
            exact = truth.world_from_object[row.frame, number, :3, 3]
            diagonal = float(np.linalg.norm(truth.sizes[number]))
            errors.append(float(np.linalg.norm(np.array(row.center_world) - exact)) / diagonal)
    assert float(np.median(errors)) < 0.2


def test_without_depth_and_cameras_nothing_is_claimed(tmp_path: Path) -> None:
    source = without(movi_source(rendered_clip(0, 48)))
    blind = replace(source, info=SourceInfo())
    clip = next(make_dataset(tmp_path, [blind], EVERYTHING).clips())
    assert {"camera_assumed", "camera_unknown"} <= set(clip.row.flags)
    assert clip.row.scale_source is None and clip.depth(0) is None and not clip.actions
    for camera in clip.cameras:
        assert camera.world_from_cam is None and camera.source == "unknown"
    for row in clip.observations:
        # nobody knows how large a wedge is
        assert row.center_cam is None and row.size is None and row.depth is None
