"""MHR's angles, axes and projection, against four real outputs of SAM 3D Body."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.support.mhr_outputs import load_golden, load_outputs
from workers.engines.bodies.mhr.layout import (
    CAMERA_FROM_MHR,
    POSE,
    ROTATION,
    SCALES,
    TRANSLATION,
    from_6d,
    from_euler,
    reset_pose,
    to_6d,
    to_euler,
)
from workers.engines.bodies.sam3d.assemble import STALE_IN_FULL
from workers.engines.bodies.sam3d.camera import place, project, solve_translation
from workers.geometry.cameras import Camera

# Joints whose rotation relative to their parent is a fixed turn times the angles from this parameter on.
EULER_JOINTS = ((1, 2, 53), (38, 39, 27), (74, 75, 37), (110, 113, 21))
SIZE = (1920, 890)


def test_the_root_turns_by_rz_ry_rx() -> None:
    for person in load_golden():
        angles = person["model_parameters"][ROTATION]
        np.testing.assert_allclose(from_euler(angles), person["rotations"][1], atol=1e-6)
        other = Rotation.from_euler("XYZ", angles).as_matrix()
        assert np.abs(other - person["rotations"][1]).max() > 1e-3


def test_other_joints_turn_by_the_same_angles_after_a_fixed_turn() -> None:
    for parent, joint, first in EULER_JOINTS:
        fixed = [
            person["rotations"][parent].T
            @ person["rotations"][joint]
            @ from_euler(person["model_parameters"][POSE][first : first + 3]).T
            for person in load_golden()
        ]
        assert max(np.abs(turn - fixed[0]).max() for turn in fixed) < 1e-6


def test_rotations_are_in_the_frame_of_mhr_while_positions_are_in_that_of_the_camera() -> None:
    def spread(axes: np.ndarray) -> float:
        """How far the direction of three bones, seen from their parents, differs between people."""
        worst = 0.0
        for parent, joint in ((1, 34), (110, 113), (76, 78)):
            bones = [
                p["rotations"][parent].T @ axes @ (p["joints"][joint] - p["joints"][parent])
                for p in load_golden()
            ]
            units = [bone / np.linalg.norm(bone) for bone in bones]
            worst = max(worst, max(float(np.abs(unit - units[0]).max()) for unit in units))
        return worst

    assert spread(CAMERA_FROM_MHR) < 1e-5
    assert spread(np.eye(3)) > 0.1


def test_wrists_are_stale_in_full() -> None:
    """Fixed turns and angles explain a fresh joint; no fixed turn explains the wrists by their parameters."""
    for parent, joint, order in ((40, 42, [31, 33, 32]), (76, 78, [41, 43, 42])):
        fixed = []
        for person in load_golden():
            angles = person["model_parameters"][POSE][order]
            turn = Rotation.from_euler("XZY", angles).as_matrix()
            fixed.append(person["rotations"][parent].T @ person["rotations"][joint] @ turn.T)
        assert max(np.abs(turn - fixed[0]).max() for turn in fixed) > 0.3
        assert joint in STALE_IN_FULL and parent not in STALE_IN_FULL


def test_the_origin_stays_and_the_root_stands_at_its_height() -> None:
    for person in load_golden():
        np.testing.assert_array_equal(person["model_parameters"][TRANSLATION], 0)
        np.testing.assert_allclose(person["joints"][0], 0, atol=1e-7)
        np.testing.assert_allclose(person["joints"][1], [0, -0.923987, 0], atol=1e-5)


def test_positions_project_onto_the_pixels() -> None:
    for person in load_golden():
        focal, cx, cy = person["focal_cx_cy"]
        assert (abs(cx - SIZE[0] / 2), abs(cy - SIZE[1] / 2)) < (1e-3, 1e-3)
        places = np.stack(list(person["keypoints_3d"].values())) + person["cam_t"]
        pixels = np.stack(list(person["keypoints_2d"].values()))
        np.testing.assert_allclose(project(places, focal, (cx, cy)), pixels, atol=1e-3)


def test_all_keypoints_of_the_real_outputs_project_to_a_thousandth_of_a_pixel() -> None:
    for person, golden in zip(load_outputs(), load_golden(), strict=True):
        focal, cx, cy = golden["focal_cx_cy"]
        camera = Camera(*SIZE, focal, focal, cx, cy)
        places = person["pred_keypoints_3d"] + person["pred_cam_t"]
        assert np.abs(camera.project(places) - person["pred_keypoints_2d"]).max() <= 1e-3


def test_golden_numbers_are_those_of_the_real_outputs() -> None:
    for person, golden in zip(load_outputs(), load_golden(), strict=True):
        np.testing.assert_allclose(golden["model_parameters"], person["mhr_model_params"], rtol=1e-8)
        for index, row in golden["joints"].items():
            np.testing.assert_allclose(row, person["pred_joint_coords"][index], rtol=1e-8)
        for index, row in golden["rotations"].items():
            np.testing.assert_allclose(row, person["pred_global_rots"][index], rtol=1e-8)


def test_a_camera_with_its_centre_elsewhere_gets_another_translation() -> None:
    """Real people, seen by the recorded camera, then by one whose image is a window of the same image."""
    for person, golden in zip(load_outputs(), load_golden(), strict=True):
        focal = golden["focal_cx_cy"][0]
        points = person["pred_keypoints_3d"]
        centred = place(points, person["pred_cam_t"], Camera(*SIZE, focal, focal, 960, 445), False)
        assert not centred.moved
        np.testing.assert_array_equal(centred.translation, person["pred_cam_t"])
        for camera in (Camera(*SIZE, focal, focal, 700, 520), Camera(*SIZE, focal, focal * 1.1, 960, 445)):
            corrected = place(points, person["pred_cam_t"], camera, False)
            assert corrected.moved
            np.testing.assert_allclose(corrected.pixels, centred.pixels, atol=1e-9)
            off = camera.project(points + corrected.translation) - corrected.pixels
            unmended = camera.project(points + person["pred_cam_t"]) - corrected.pixels
            assert np.sqrt((off**2).sum(1).mean()) < 10 < np.sqrt((unmended**2).sum(1).mean())


def test_the_true_translation_is_found_again() -> None:
    random = np.random.default_rng(3)
    points, true = random.normal(0, 0.4, (70, 3)), np.array([0.6, -0.3, 5.0])
    camera = Camera(1000, 800, 900, 950, 420, 500)
    # what upstream would tell, had it seen these pixels with the centre of the image in mind
    pixels = camera.project(points + true)
    np.testing.assert_allclose(solve_translation(points, pixels, camera), true, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_angles_and_six_numbers_come_back(seed: int) -> None:
    matrices = Rotation.random(50, random_state=seed).as_matrix()
    np.testing.assert_allclose(from_euler(to_euler(matrices)), matrices, atol=1e-12)
    np.testing.assert_allclose(from_6d(to_6d(matrices)), matrices, atol=1e-12)
    np.testing.assert_allclose(from_6d(3 * to_6d(matrices)), matrices, atol=1e-12)


def test_at_rest_keeps_sizes_alone() -> None:
    parameters = np.arange(204.0) + 1
    rest = reset_pose(parameters)
    np.testing.assert_array_equal(rest[SCALES], parameters[SCALES])
    assert not rest[:136].any() and parameters[0] == 1
