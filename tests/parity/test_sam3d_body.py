"""The adapter of SAM 3D Body against a FAKE upstream (`sam3d_fake`): wiring, fixed traps, typed errors.

No test here runs the real network: its weights are gated and it needs a GPU.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from scipy.spatial.transform import Rotation

from tests.parity.sam3d_body_runs import (
    BOXES,
    CENTRED,
    HEIGHT,
    MODEL,
    WIDTH,
    draw_image,
    is_in_box,
    masks,
    note,
    settings,
    true_parameters,
)
from tests.support.mhr_outputs import load_golden, load_outputs
from tests.support.synthetic_mhr import HANDS
from workers.engines.bodies.mhr.assets import REQUIRED, MhrMissing
from workers.engines.bodies.mhr.layout import CAMERA_FROM_MHR, reset_pose
from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.sam3d.assemble import clip_boxes, measure_angles
from workers.engines.bodies.sam3d.engine import Sam3dBody
from workers.engines.bodies.sam3d.errors import Sam3dBodyContract
from workers.engines.bodies.sam3d.keypoints import MHR_70
from workers.engines.bodies.sam3d.recorded import SHAPES
from workers.engines.host.errors import HostCrashed, HostRefused
from workers.engines.protocols import BodyEngine
from workers.geometry.cameras import Camera
from workers.geometry.overlap import box_cover, box_iou


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts engines and stops them."""
    running: list[Sam3dBody] = []

    def starter(mode: str = "full", **wrong: Any) -> Sam3dBody:
        running.append(Sam3dBody(settings(tmp_path, mode, **wrong), MODEL))
        return running[-1]

    yield starter
    for engine in running:
        engine.close()


def test_the_contract_is_that_of_the_real_outputs() -> None:
    for person in load_outputs():
        for name, shape in SHAPES.items():
            # upstream reported the focal length only after these were recorded
            if name != "focal_length":
                assert person[name].shape == shape, name


def test_bodies_of_real_people_agree_with_their_boxes() -> None:
    for person, golden in zip(load_outputs(), load_golden(), strict=True):
        focal, cx, cy = golden["focal_cx_cy"]
        camera = Camera(1920, 890, focal, focal, cx, cy)
        pixels = camera.project(person["pred_vertices"] + person["pred_cam_t"])
        x0, y0, x1, y1 = person["bbox"]
        assert box_iou(*clip_boxes(pixels, (x0, y0, x1, y1), camera)) > 0.9
        assert box_cover(*clip_boxes(pixels + np.array([500, 0]), (x0, y0, x1, y1), camera)) < 0.3


def test_angles_between_rotations() -> None:
    turn = Rotation.from_rotvec([[1e-7, 0, 0], [0, 0.5, 0], [0, 0, np.pi], [2.5, 0, 0]]).as_matrix()
    np.testing.assert_allclose(
        measure_angles(turn, np.tile(np.eye(3), (4, 1, 1))), [1e-7, 0.5, np.pi, 2.5], rtol=1e-6
    )


def test_several_people_are_sent_in_one_call(start: Any, tmp_path: Path) -> None:
    engine = start()
    assert isinstance(engine, BodyEngine)
    image = draw_image()
    bodies = engine.recover(image, BOXES, masks(), camera=CENTRED)
    assert len(bodies) == 3 and all(is_in_box(body, box) for body, box in zip(bodies, BOXES, strict=True))
    stated = note(tmp_path)
    # upstream crops 1.2 times as wide as a box that closes tightly around a mask
    widened = [[11.0, 49.5, 119.0, 175.5], [106.0, 40.0, 214.0, 160.0], [205.5, 59.5, 319.5, 185.5]]
    assert stated["calls"] == 1
    np.testing.assert_allclose(stated["boxes"], widened, atol=1e-4)
    engine.recover(image, BOXES, camera=CENTRED)
    assert note(tmp_path)["boxes"] == [list(box) for box in BOXES]
    assert stated["masks"] == [int(mask.sum()) for mask in masks()]
    assert stated["image"] == [[HEIGHT, WIDTH, 3], "uint8", int(image.sum(dtype=np.int64))]
    assert stated["camera"] == [[400, 0, 160], [0, 400, 120], [0, 0, 1]]
    assert (stated["inference_type"], stated["momentum"]) == ("full", "0")


def test_a_crowd_that_does_not_fit_into_memory_is_taken_in_parts(start: Any, tmp_path: Path) -> None:
    whole = start().recover(draw_image(), BOXES, masks(), camera=CENTRED)
    parts = start(fits=1).recover(draw_image(), BOXES, masks(), camera=CENTRED)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)
    with pytest.raises(HostRefused) as caught:
        start(fits=0).recover(draw_image(), BOXES, camera=CENTRED)
    assert caught.value.code == "out_of_memory" and caught.value.fatal


def test_a_body_is_complete(start: Any) -> None:
    (body,) = start().recover(draw_image(), BOXES[:1], camera=CENTRED)
    true = true_parameters(BOXES[0])
    posed, shift = MODEL.pose(true), np.array(body.parameters["translation"])
    truth = MODEL.vertices(true, np.full(45, 0.25)) @ CAMERA_FROM_MHR + shift
    np.testing.assert_allclose(body.vertices, truth, atol=1e-5)
    np.testing.assert_allclose(body.joints, posed.joints @ CAMERA_FROM_MHR + shift, atol=1e-5)
    np.testing.assert_allclose(skin_rig(body.rig), body.vertices, atol=1e-5)
    np.testing.assert_allclose(pose_rig(body.rig)[1], body.joints, atol=1e-5)
    assert body.rig.joint_names == MODEL.joint_names and body.keypoint_names == MHR_70
    np.testing.assert_allclose(CENTRED.project(body.keypoints_3d), body.keypoints_2d, atol=1e-3)
    assert body.reprojection_error < 1e-3 and body.scale_source == "prior" and body.confidence > 0.6
    sizes = {name: len(values) for name, values in body.parameters.items()}
    assert sizes == {
        "mhr_model_parameters": 204,
        "shape": 45,
        "scale": 28,
        "hand": 108,
        "expression": 72,
        "translation": 3,
        "root_rotation_wxyz": 4,
        "root_rotation_6d": 6,
    }
    assert body.camera == CENTRED and body.flags == ("scale_not_metric",)


@pytest.mark.parametrize("mode", ["full", "body"])
def test_rotations_are_recomputed_in_the_frame_of_the_camera(start: Any, mode: str) -> None:
    (body,) = start(mode).recover(draw_image(), BOXES[:1], camera=CENTRED)
    true = true_parameters(BOXES[0])
    rest = MODEL.pose(reset_pose(true)).rotations
    expected = CAMERA_FROM_MHR @ MODEL.pose(true).rotations @ rest.transpose(0, 2, 1)
    actual = pose_rig(body.rig)[0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    early = true.copy()
    early[6:136][HANDS - 2] = 0
    stale = CAMERA_FROM_MHR @ MODEL.pose(early).rotations @ rest.transpose(0, 2, 1)
    assert np.abs(actual[HANDS] - stale[HANDS]).max() > 0.3
    assert ("hands_not_refined" in body.flags) == (mode == "body")
    root = Rotation.from_quat(body.parameters["root_rotation_wxyz"], scalar_first=True).as_matrix()
    np.testing.assert_allclose(root, CAMERA_FROM_MHR @ MODEL.pose(true).rotations[1], atol=1e-6)
    assert "upstream_rotations_differ" not in body.flags


@pytest.mark.parametrize("mode", ["full", "body"])
@pytest.mark.parametrize("uses_camera", [True, False])
def test_a_centre_off_the_middle_is_respected(start: Any, mode: str, uses_camera: bool) -> None:
    """Whatever upstream's config and mode, a person lies in their box by the camera that was given."""
    camera = replace(CENTRED, cx=110.0, cy=150.0)
    bodies = start(mode, use_intrin_center=uses_camera).recover(draw_image(), BOXES, camera=camera)
    for body, box in zip(bodies, BOXES, strict=True):
        pixels = camera.project(body.vertices)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        np.testing.assert_allclose((low + high) / 2, np.reshape(box, (2, 2)).mean(axis=0), atol=12)
        np.testing.assert_allclose(high[1] - low[1], box[3] - box[1], rtol=0.1)
        assert body.confidence > 0.5 and body.reprojection_error < 3
        assert ("camera_centre_mended" in body.flags) == (not uses_camera)
        assert "upstream_pixels_differ" not in body.flags
        np.testing.assert_allclose(skin_rig(body.rig), body.vertices, atol=1e-5)


def test_without_a_camera_the_diagonal_is_assumed_and_flagged(start: Any, tmp_path: Path) -> None:
    (body,) = start().recover(draw_image(), BOXES[:1])
    assert "camera_assumed" in body.flags and body.camera.source == "assumed"
    assert note(tmp_path)["camera"][0][0] == pytest.approx(400)
    exif = replace(CENTRED, source="exif")
    (body,) = start().recover(draw_image(), BOXES[:1], camera=exif)
    assert body.camera.source == "exif" and "camera_assumed" not in body.flags


def test_people_come_in_the_order_of_boxes_and_missing_ones_are_none(start: Any) -> None:
    bodies = start(reverse=True, drop=[1]).recover(draw_image(), BOXES, camera=CENTRED)
    assert bodies[1] is None
    assert is_in_box(bodies[0], BOXES[0]) and is_in_box(bodies[2], BOXES[2])


def test_implausible_people_are_dropped(start: Any) -> None:
    bodies = start(nan=0, elsewhere=2).recover(draw_image(), BOXES, camera=CENTRED)
    assert [body is not None for body in bodies] == [False, True, False]


def test_boxes_that_hold_nobody_are_not_sent(start: Any, tmp_path: Path) -> None:
    engine = start()
    bad = [(0.0, 0.0, 8.0, 200.0), (400.0, 10.0, 500.0, 200.0), (np.nan, 0.0, 50.0, 50.0)]
    assert engine.recover(draw_image(), bad, camera=CENTRED) == [None] * 3
    assert not (tmp_path / "note.json").exists()
    bodies = engine.recover(draw_image(), [bad[0], BOXES[1], bad[2]], camera=CENTRED)
    assert [body is not None for body in bodies] == [False, True, False]
    assert is_in_box(bodies[1], BOXES[1]) and note(tmp_path)["boxes"] == [list(BOXES[1])]
    assert engine.recover(draw_image(), [], camera=CENTRED) == []


def test_hands_mode_keeps_hands_only(start: Any, tmp_path: Path) -> None:
    (body,) = start("hands").recover(draw_image(), BOXES[:1], camera=CENTRED)
    assert note(tmp_path)["inference_type"] == "hand"
    assert len(body.keypoint_names) == 21 and body.keypoint_names[-1] == "right_wrist"
    assert body.keypoints_3d.shape == (21, 3) and "hand_only" in body.flags


def test_other_levels_of_detail_need_their_faces(start: Any) -> None:
    engine = start()
    (body,) = engine.recover(draw_image(), BOXES[:1], camera=CENTRED)
    assert engine.at_lod(body, 1) is body
    with pytest.raises(MhrMissing, match=r"lod1\.fbx"):
        engine.at_lod(body, 3)
    with pytest.raises(ValueError, match=r"levels other than 1"):
        engine.at_lod(body, 9)


def test_sixty_people(start: Any, tmp_path: Path) -> None:
    boxes = [(10.0 + 3 * k, 60.0, 105.0 + 3 * k, 165.0) for k in range(60)]
    bodies = start().recover(draw_image(), boxes, camera=CENTRED)
    assert all(is_in_box(body, box) for body, box in zip(bodies, boxes, strict=True))
    assert note(tmp_path)["calls"] == 1


def test_a_crash_is_an_error_and_the_next_image_is_served(start: Any, tmp_path: Path) -> None:
    engine = start(crash_at=2)
    engine.recover(draw_image(), BOXES[:1], camera=CENTRED)
    with pytest.raises(HostCrashed, match=r"Segmentation fault \(fake\)"):
        engine.recover(draw_image(), BOXES[:1], camera=CENTRED)
    (body,) = engine.recover(draw_image(), BOXES[:1], camera=CENTRED)
    assert is_in_box(body, BOXES[0])


def test_cuda_errors_replace_the_child(start: Any) -> None:
    engine = start(cuda_at=1)
    with pytest.raises(HostRefused, match=r"CUDA out of memory") as refused:
        engine.recover(draw_image(), BOXES[:1], camera=CENTRED)
    assert refused.value.fatal


@pytest.mark.parametrize("name", ["pred_vertices", "pred_joint_coords", "mhr_model_params", "pred_cam_t"])
def test_wrong_shapes_are_a_typed_error(start: Any, name: str) -> None:
    with pytest.raises(Sam3dBodyContract, match=name):
        start(shorten=name).recover(draw_image(), BOXES, camera=CENTRED)


def test_a_name_that_is_gone_is_a_typed_error(start: Any) -> None:
    with pytest.raises(Sam3dBodyContract, match=r"pred_global_rots"):
        start(forget="pred_global_rots").recover(draw_image(), BOXES, camera=CENTRED)


def test_another_rig_or_an_ignored_camera_is_a_typed_error(start: Any) -> None:
    with pytest.raises(Sam3dBodyContract, match=r"mm from upstream"):
        start(other_rig=True).recover(draw_image(), BOXES, camera=CENTRED)
    with pytest.raises(Sam3dBodyContract, match=r"focal length of 500"):
        start(focal=500).recover(draw_image(), BOXES, camera=CENTRED)


def test_requests_that_do_not_fit(start: Any) -> None:
    engine = start()
    for wrong in (
        {"boxes": BOXES, "masks": masks()[:2]},
        {"boxes": BOXES, "masks": [mask[:-1] for mask in masks()]},
        {"boxes": BOXES, "camera": replace(CENTRED, width=100)},
        {"boxes": [], "masks": masks()},
    ):
        with pytest.raises(ValueError, match=r"masks|camera"):
            engine.recover(draw_image(), **wrong)


def test_the_engine_describes_itself_and_leaves_nothing_behind(start: Any) -> None:
    others = {child.pid for child in psutil.Process().children()}
    engine = start("body")
    assert engine.info.version == "sam-3d-body/fake_backbone/body/lod1/mask_boxes1.2"
    assert "SAM License" in engine.info.licence
    assert set(engine.info.weights) == {"model.ckpt", *REQUIRED}
    assert all(len(value) == 64 for value in engine.info.weights.values())
    children = [child for child in psutil.Process().children() if child.pid not in others]
    assert children
    engine.close()
    assert not any(child.is_running() for child in children)
