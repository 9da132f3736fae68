"""The ground plane by upstream's own code on a CPU; needs upstream's sources: make test-sam3.

Upstream's pipeline imports kernels for CUDA, so its class and functions are compiled from its files, without
the imports. Open3D's RANSAC is the real one where Open3D is installed; otherwise a stand-in counts and fits
as its documentation says.
"""

import ast
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import PIL.Image
import pytest

torch = pytest.importorskip("torch", reason="upstream needs torch")
trimesh = pytest.importorskip("trimesh")

from tests.parity.test_sam3d_objects_upstream import find_function, read_upstream  # noqa: E402
from workers.engines.objects.sam3d.ground import fit_ground  # noqa: E402
from workers.engines.objects.sam3d.pointmaps import unproject_depth  # noqa: E402
from workers.geometry.cameras import Camera  # noqa: E402

METHODS = {"run", "compute_pointmap", "estimate_plane", "_clip_pointmap", "_down_sample_img"}
WIDTH, HEIGHT, BELOW = 320, 240, 1.6
CAMERA = Camera(WIDTH, HEIGHT, 400.0, 400.0, WIDTH / 2, HEIGHT / 2)
# the floor's normal in OpenCV's camera, which looks 25 degrees down and is rolled by 5
PITCH, ROLL = np.radians(25), np.radians(5)
NORMAL = np.array([np.sin(ROLL), -np.cos(ROLL) * np.cos(PITCH), -np.cos(ROLL) * np.sin(PITCH)])
FLOOR = np.zeros((HEIGHT, WIDTH), bool)
FLOOR[140:] = True
FLOOR[40:140, 200:] = True


class StandIn:
    """Open3D's point cloud, as far as upstream uses it."""

    points: Any

    def segment_plane(self, distance: float, count: int, rounds: int) -> tuple[Any, Any]:
        points, draw = np.asarray(self.points), np.random.default_rng(0)
        best = np.zeros(len(points), bool)
        for _ in range(rounds // 10):
            a, b, c = points[draw.choice(len(points), count, replace=False)]
            normal = np.cross(b - a, c - a)
            near = np.abs((points - a) @ normal) <= distance * np.linalg.norm(normal)
            best = near if near.sum() > best.sum() else best
        middle = points[best].mean(axis=0)
        normal = np.linalg.svd(points[best] - middle, full_matrices=False)[2][2]
        return [*normal, -normal @ middle], np.nonzero(best)[0]


def load_open3d() -> Any:
    try:
        import open3d
    except ImportError:
        made = SimpleNamespace(PointCloud=StandIn)
        return SimpleNamespace(geometry=made, utility=SimpleNamespace(Vector3dVector=np.asarray))
    return open3d


def load_torchvision() -> Any:
    """Its resizing, which leaves a mask of the points' size alone; the package needs a torch of its own."""
    functional = SimpleNamespace(resize=lambda mask, _size, interpolation: mask)
    modes = SimpleNamespace(NEAREST="nearest")
    return SimpleNamespace(transforms=SimpleNamespace(functional=functional, InterpolationMode=modes))


def run_definitions(nodes: list[ast.stmt], names: dict[str, Any]) -> dict[str, Any]:
    """Execute definitions of upstream among those names."""
    module = ast.Module([ast.parse("from __future__ import annotations").body[0], *nodes], [])
    exec(compile(ast.fix_missing_locations(module), "upstream", "exec"), names)  # noqa: S102
    return names


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """Upstream's `InferencePipelinePointMap` without networks."""
    quiet = SimpleNamespace(info=lambda *_: None, error=lambda *_: None)
    shared = {"np": np, "torch": torch, "logger": quiet, "trimesh": trimesh, "o3d": load_open3d()}
    inner = read_upstream("inference_utils.py")
    names = ("o3d_plane_estimation", "estimate_plane_area")
    fits = run_definitions([find_function(inner, name) for name in names], dict(shared))
    base = read_upstream("inference_pipeline.py")
    images = [find_function(base, name) for name in ("merge_image_and_mask", "image_to_float")]
    parent = ast.ClassDef("InferencePipeline", [], [], images, [])
    tree = read_upstream("inference_pipeline_pointmap.py")
    child = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("PointMap"))
    child.body = [n for n in child.body if isinstance(n, ast.FunctionDef) and n.name in METHODS]
    # what only leads to the camera's intrinsics, which the plane does not need
    camera = {"infer_intrinsics_from_pointmap": MagicMock(), "camera_to_pytorch3d_camera": MagicMock()}
    others = {"Transform3d": MagicMock(), "Image": PIL.Image, "torchvision": load_torchvision(), **camera}
    made = run_definitions([parent, child], {**fits, **others})["InferencePipelinePointMap"]()
    made.device, made.clip_pointmap_beyond_scale = torch.device("cpu"), 5.0
    return made


def fit(pipeline: Any, mask: Any, depth: Any, seed: int = 1) -> Any:
    rgba = np.dstack([np.zeros((HEIGHT, WIDTH, 3), np.uint8), mask.astype(np.uint8) * 255])
    points = unproject_depth(depth, CAMERA)
    # as MoGe has the sky
    points[np.isinf(depth)] = np.inf
    return fit_ground(pipeline, rgba, torch.from_numpy(points), seed)


def floor_depth() -> Any:
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    slope = CAMERA.unproject(np.stack([u, v], axis=-1), np.ones_like(u)) @ NORMAL
    return np.where(slope < 0, -BELOW / np.minimum(slope, -1e-9), np.inf).astype(np.float32)


def test_upstream_s_fit_is_the_floor(pipeline: Any) -> None:
    plane, share = fit(pipeline, FLOOR, floor_depth())
    # PyTorch3D's camera: x left, y up
    np.testing.assert_allclose(plane[:3], NORMAL * [-1, -1, 1], atol=1e-3)
    assert plane[3] == pytest.approx(BELOW, abs=0.01) and share > 0.99


def test_the_offset_is_that_of_the_points_and_not_of_upstream_s_quad(pipeline: Any) -> None:
    depth = floor_depth()
    rgba = np.dstack([np.zeros((HEIGHT, WIDTH, 3), np.uint8), FLOOR.astype(np.uint8) * 255])
    points = torch.from_numpy(unproject_depth(depth, CAMERA))
    quad = np.asarray(pipeline.run(rgba, pointmap=points, estimate_plane=True)["glb"].vertices)
    hung = quad[:, [0, 2, 1]] * [1, -1, 1] @ (NORMAL * [-1, -1, 1])
    plane, _ = fit(pipeline, FLOOR, depth)
    # the reason for a fit of our own: the quad misses the floor that it was made for
    assert np.abs(hung + BELOW).min() > 10 * abs(plane[3] - BELOW)


def test_noise_clutter_and_sky_leave_the_floor(pipeline: Any) -> None:
    draw, depth = np.random.default_rng(4), floor_depth()
    depth *= draw.normal(1, 0.002, depth.shape).astype(np.float32)
    depth[150:200, 20:120] = 1.2
    mask = FLOOR.copy()
    mask[:10], depth[:10] = True, np.inf
    plane, share = fit(pipeline, mask, depth)
    assert np.degrees(np.arccos(plane[:3] @ (NORMAL * [-1, -1, 1]))) < 1
    assert plane[3] == pytest.approx(BELOW, abs=0.03) and 0.3 < share < 0.95


def test_too_small_a_mask_has_no_plane(pipeline: Any) -> None:
    small = np.zeros_like(FLOOR)
    small[150:200, 100:200] = True
    assert fit(pipeline, small, floor_depth()) is None
    # fewer than 100 points are known
    depth = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    depth[200:203, :30] = floor_depth()[200:203, :30]
    assert fit(pipeline, FLOOR, depth) is None


def test_a_seed_repeats_the_samples(pipeline: Any) -> None:
    if "open3d" not in sys.modules:
        pytest.skip("the stand-in draws from a generator of its own")
    draw, depth = np.random.default_rng(4), floor_depth()
    depth *= draw.normal(1, 0.02, depth.shape).astype(np.float32)
    # Open3D's threads may settle on another sample now and then: without the seed every plane is another
    planes = {tuple(fit(pipeline, FLOOR, depth, seed=7)[0]) for _ in range(6)}
    assert len(planes) < 4
