"""The ground plane of SAM 3D Objects through the adapter and its child process, by a FAKE upstream."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.parity.test_sam3d_objects import CAMERA, HEIGHT, IMAGE, MASK, WIDTH, calls, start
from workers.engines.protocols import GroundEngine, RequestRefused

__all__ = ["start"]

# a floor 1.6 below a camera that looks 25 degrees down, and 5 to the right of the level
PITCH, ROLL, BELOW = np.radians(25), np.radians(5), 1.6
NORMAL = np.array([np.sin(ROLL), -np.cos(ROLL) * np.cos(PITCH), -np.cos(ROLL) * np.sin(PITCH)])
FLOOR = np.zeros((HEIGHT, WIDTH), bool)
FLOOR[140:] = True
# one side reaches further: the middle of its bounding box is off the plane
FLOOR[60:140, 200:] = True


def floor_depth() -> np.ndarray[Any, np.dtype[np.float32]]:
    """z (H, W) of the floor, infinite above the horizon."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = CAMERA.unproject(np.stack([u, v], axis=-1), np.ones_like(u))
    slope = rays @ NORMAL
    return np.where(slope < 0, -BELOW / np.minimum(slope, -1e-9), np.inf).astype(np.float32)


def test_the_plane_is_the_floor_in_opencv_s_camera(start: Any, tmp_path: Path) -> None:
    engine = start()
    assert isinstance(engine, GroundEngine)
    plane = engine.find_ground(IMAGE, FLOOR, camera=CAMERA, depth=floor_depth())
    np.testing.assert_allclose(plane.normal, NORMAL, atol=1e-5)
    assert plane.offset == pytest.approx(BELOW, abs=1e-4)
    assert plane.scale_source == "metric" and plane.inlier_share == 1.0
    # a plane makes no object, and the next object is made
    assert not (tmp_path / "note.json").exists()
    engine.reconstruct(IMAGE, MASK, camera=CAMERA)
    assert len(calls(tmp_path)) == 1


def test_points_off_the_floor_are_counted_out(start: Any) -> None:
    depth = floor_depth()
    # a box on the floor, where the mask is careless, a hole, and sky
    depth[180:200, 40:80], depth[200:230], depth[60:64, 200:] = 1.0, np.nan, np.inf
    plane = start().find_ground(IMAGE, FLOOR, camera=CAMERA, depth=depth)
    known = FLOOR & np.isfinite(depth)
    assert plane.inlier_share == pytest.approx(1 - 20 * 40 / known.sum(), abs=0.01)
    assert plane.inlier_share < 1


def test_without_depth_the_scale_is_unknown(start: Any) -> None:
    # the fake's MoGe sees a wall 3 away
    plane = start().find_ground(IMAGE, FLOOR, camera=CAMERA)
    assert plane.scale_source == "relative"
    np.testing.assert_allclose(plane.normal, [0, 0, -1], atol=1e-6)
    assert plane.offset == pytest.approx(3.0)


@pytest.mark.parametrize("lacks", ["area", "points"])
def test_a_mask_that_shows_too_little_is_refused(start: Any, lacks: str) -> None:
    mask, depth = np.zeros_like(FLOOR), floor_depth()
    if lacks == "area":
        mask[100:200, 100:200] = True
    else:
        mask[100:, ::2] = True
        depth[:] = np.nan
        depth[239, :99] = 2.0
    engine = start()
    with pytest.raises(RequestRefused) as refused:
        engine.find_ground(IMAGE, mask, camera=CAMERA, depth=depth)
    assert (refused.value.problem.code, refused.value.problem.status) == ("ground_not_found", 422)
    # the child goes on
    assert engine.find_ground(IMAGE, FLOOR, camera=CAMERA, depth=floor_depth()).offset > 1
