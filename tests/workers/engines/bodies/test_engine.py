"""The engine on images: people that scikit-image carries, compositions of them, and empty walls."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from skimage import data

from tests.support.network_memo import RealSession
from tests.support.paths import MODELS
from workers.engines.bodies.blazepose import BlazePose, build_anchors, refine_landmarks
from workers.engines.bodies.crops import CropRegion, grey_out_others
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.rig import skin_rig
from workers.engines.protocols import BodyEngine, BodyEstimate
from workers.geometry.cameras import Camera

BOX = (20.0, 0.0, 440.0, 512.0)
# Nose and shoulders by LiteRT from the original pose_landmark_full.tflite, decoded alike.
KNOWN_SCORE = 0.90929
KNOWN_PIXELS = np.array([[226.72, 119.45], [265.99, 199.35], [143.6, 186.47]])
KNOWN_WORLD = np.array([[0.1065, -0.4621, -0.4659], [0.2352, -0.2628, -0.1774], [-0.1298, -0.2582, -0.2645]])


@pytest.fixture(scope="module")
def engine() -> DefaultBodies:
    return DefaultBodies(threads=1)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="module")
def body(engine: DefaultBodies, astronaut: np.ndarray) -> BodyEstimate:
    (bodies,) = engine.recover(astronaut, [BOX])
    assert bodies is not None
    return bodies


def test_protocol(engine: DefaultBodies) -> None:
    assert isinstance(engine, BodyEngine)
    assert engine.info.kind == "bodies"
    assert set(engine.info.weights) == {
        "anny_compact.npz",
        "blazepose_detector.onnx",
        "blazepose_landmark_full.onnx",
        "hand_landmark_full.onnx",
        "pose_prior.npz",
    }


def test_a_real_person(body: BodyEstimate) -> None:
    assert {"default_engine", "scale_not_metric", "camera_assumed", "truncated"} <= set(body.flags)
    assert body.scale_source == "prior"
    assert body.keypoints_2d.shape == (33, 2)
    assert body.keypoints_3d.shape == (33, 3)
    assert np.isfinite(body.vertices).all()
    # Face and shoulders are in plain sight: the body's own must fall on them.
    upper = [0, 2, 5, 7, 8, 11, 12]
    projected = body.camera.project(body.keypoints_3d[upper])
    assert np.linalg.norm(projected - body.keypoints_2d[upper], axis=1).mean() < 15
    face = body.keypoints_2d[0]
    assert 200 < face[0] < 245
    assert 100 < face[1] < 140
    # She faces the camera: the nose is nearer than the ears; the image mirrors her sides.
    assert body.keypoints_3d[0, 2] < body.keypoints_3d[[7, 8], 2].mean()
    assert body.keypoints_3d[11, 0] > body.keypoints_3d[12, 0]
    assert 1.4 < body.parameters["stature_m"][0] < 1.95


def test_rig_explains_the_vertices(body: BodyEstimate) -> None:
    assert np.abs(skin_rig(body.rig) - body.vertices).max() < 1e-5
    assert np.abs(np.linalg.norm(body.rig.rotations, axis=1) - 1).max() < 1e-9
    assert np.abs(body.rig.skin_weights.sum(axis=1) - 1).max() < 1e-9
    assert np.abs(body.joints[0] - body.rig.root_translation).max() < 1e-9


def test_the_same_image_gives_the_same_body(
    engine: DefaultBodies, astronaut: np.ndarray, body: BodyEstimate
) -> None:
    (again,) = engine.recover(astronaut, [BOX], seed=5)
    assert again is not None
    assert (again.vertices == body.vertices).all()


def test_a_given_camera_is_kept(engine: DefaultBodies, astronaut: np.ndarray, body: BodyEstimate) -> None:
    camera = Camera(512, 512, 1400.0, 1400.0, 256.0, 256.0)
    (far,) = engine.recover(astronaut, [BOX], camera=camera)
    assert far is not None
    assert far.camera is camera
    assert "camera_assumed" not in far.flags
    assert far.joints[0, 2] > 1.5 * body.joints[0, 2]


def test_two_people_in_one_image(engine: DefaultBodies, astronaut: np.ndarray) -> None:
    pair = np.concatenate([astronaut, astronaut[:, ::-1]], axis=1)
    boxes = [BOX, (1024 - BOX[2], BOX[1], 1024 - BOX[0], BOX[3])]
    left, right = engine.recover(pair, boxes)
    assert left is not None
    assert right is not None
    assert left.keypoints_2d[0, 0] < 400 < 600 < right.keypoints_2d[0, 0]


def test_one_person_in_two_boxes_is_one_body(engine: DefaultBodies, astronaut: np.ndarray) -> None:
    first, second = engine.recover(astronaut, [BOX, (30.0, 5.0, 430.0, 510.0)])
    assert first is not None
    assert second is None


def test_an_image_without_people_gives_no_body(engine: DefaultBodies) -> None:
    brick = np.repeat(data.brick()[:, :, None], 3, axis=2)
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    for image in (brick, noise, np.zeros((300, 300, 3), np.uint8)):
        assert engine.recover(image, [(40.0, 40.0, 260.0, 280.0)]) == [None]


def test_odd_boxes_give_none(engine: DefaultBodies, astronaut: np.ndarray) -> None:
    boxes = [(5.0, 5.0, 9.0, 9.0), (10.0, 10.0, 10.0, 300.0), (float("nan"), 0.0, 9.0, 9.0)]
    assert engine.recover(astronaut, boxes) == [None, None, None]
    assert engine.recover(astronaut, []) == []


def test_masks_must_match(engine: DefaultBodies, astronaut: np.ndarray) -> None:
    with pytest.raises(ValueError, match="0 masks for 1 boxes"):
        engine.recover(astronaut, [BOX], [])
    with pytest.raises(ValueError, match="shape"):
        engine.recover(astronaut, [BOX], [np.ones((3, 3), dtype=bool)])


def test_a_camera_must_match(engine: DefaultBodies, astronaut: np.ndarray) -> None:
    with pytest.raises(ValueError, match="640x480"):
        engine.recover(astronaut, [BOX], camera=Camera.assumed(640, 480))


@pytest.mark.parametrize("focal", [1.0, 30.0, 1e5, 1e9])
def test_absurd_intrinsics_end_in_a_body_or_none(
    engine: DefaultBodies, astronaut: np.ndarray, focal: float
) -> None:
    (bodies,) = engine.recover(astronaut, [BOX], camera=Camera(512, 512, focal, focal, 256.0, 256.0))
    assert bodies is None or np.isfinite(bodies.vertices).all()


def test_a_mask_is_used_and_an_empty_one_is_not_fatal(engine: DefaultBodies, astronaut: np.ndarray) -> None:
    empty = np.zeros(astronaut.shape[:2], dtype=bool)
    (bodies,) = engine.recover(astronaut, [BOX], [empty])
    assert bodies is not None


def test_converted_models_on_a_known_image(astronaut: np.ndarray) -> None:
    """Numbers of the original TensorFlow Lite models on the same crop."""
    poses = BlazePose(threads=1)
    pose = poses.read_landmarks(astronaut, CropRegion(256.0, 256.0, 512.0))
    assert pose.score == pytest.approx(KNOWN_SCORE, abs=1e-3)
    assert np.abs(pose.pixels[[0, 11, 12]] - KNOWN_PIXELS).max() < 0.5
    assert np.abs(pose.world[[0, 11, 12]] - KNOWN_WORLD).max() < 1e-3


def test_landmarks_are_the_same_whether_the_foreground_is_read(astronaut: np.ndarray) -> None:
    poses = BlazePose(threads=1)
    with_it = poses.estimate_pose(astronaut, BOX)
    without = poses.estimate_pose(astronaut, BOX, foreground=False)
    for name in ("pixels", "confidence", "world", "hip", "top", "score"):
        assert np.array_equal(getattr(with_it, name), getattr(without, name))
    assert with_it.mask(512, 512)[256, 220]
    with pytest.raises(ValueError, match="foreground"):
        without.mask(512, 512)


def test_a_mask_that_nobody_asks_for_is_not_computed(tmp_path: Path) -> None:
    counts = []
    for asked in (False, True):
        options = onnxruntime.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / f"profile-{asked}")
        session = RealSession(str(MODELS / "blazepose_landmark_full.onnx"), options)
        image = np.zeros((1, 256, 256, 3), np.float32)
        (mask,) = session.run(["mask"], {"image": image, "with_mask": np.array([asked])})
        assert mask.shape == (int(asked), 256, 256, 1)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        counts.append(sum(event.get("cat") == "Node" for event in events))
    assert counts[0] < 0.8 * counts[1]


def test_turned_region_finds_a_turned_person(astronaut: np.ndarray) -> None:
    """The detector aligns a person who lies on the side."""
    poses = BlazePose(threads=1)
    upright = poses.estimate_pose(astronaut, BOX)
    lying = np.ascontiguousarray(np.rot90(astronaut))
    turned = poses.estimate_pose(lying, (0.0, 512 - BOX[2], 512.0, 512 - BOX[0]))
    assert turned.score > 0.5
    back = np.stack([512 - turned.pixels[:, 1], turned.pixels[:, 0]], axis=1)
    upper = [0, 7, 8, 11, 12]
    assert np.linalg.norm(back[upper] - upright.pixels[upper], axis=1).mean() < 25


def test_region_cut_is_exact() -> None:
    y, x = np.mgrid[:200, :300]
    ramp = np.stack([x % 256, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    crop = CropRegion(100.0, 90.0, 64.0).extract(ramp, 64)
    assert (crop[:, :, 0] == ramp[58:122, 68:132, 0]).all()
    assert (crop[:, :, 1] == ramp[58:122, 68:132, 1]).all()
    outside = CropRegion(0.0, 0.0, 64.0).extract(ramp, 64)
    assert (outside[:31, :31] == 127).all()
    corners = CropRegion(100.0, 90.0, 64.0, np.pi / 2).to_image(np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert np.abs(corners - np.array([[132.0, 58.0], [132.0, 122.0]])).max() < 1e-9


def test_other_people_are_greyed_out(astronaut: np.ndarray) -> None:
    boxes = [(0.0, 0.0, 200.0, 512.0), (150.0, 0.0, 512.0, 512.0)]
    alone = grey_out_others(astronaut, 0, boxes, None)
    assert (alone[:, :200] == astronaut[:, :200]).all()
    assert (alone[:, 200:] == 127).all()
    masks = [np.zeros((512, 512), dtype=bool), np.zeros((512, 512), dtype=bool)]
    masks[1][:100, :100] = True
    masks[0][:50, :50] = True
    alone = grey_out_others(astronaut, 0, boxes, masks)
    assert (alone[:50, :50] == astronaut[:50, :50]).all()
    assert (alone[60:100, 60:100] == 127).all()
    assert (alone[100:] == astronaut[100:]).all()


def test_anchor_grid_and_heatmap() -> None:
    grid = build_anchors()
    assert grid.shape == (2254, 2)
    assert np.abs(grid[0] - 0.5 / 28).max() < 1e-12
    heat = np.full((64, 64, 1), -10.0, np.float32)
    heat[30:33, 20:23, 0] = 5.0
    moved = refine_landmarks(np.array([[20.2 / 64, 30.2 / 64]]), heat)
    assert np.abs(moved * 64 - np.array([[21.0, 31.0]])).max() < 0.05
    unsure = np.full((64, 64, 1), -10.0, np.float32)
    point = np.array([[0.3, 0.4]])
    assert (refine_landmarks(point, unsure) == point).all()
