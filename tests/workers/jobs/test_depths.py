"""Depth maps of a request in every unit, frame and form, against a rendered plane and ball."""

from typing import Any, cast

import numpy as np
import pytest
from maquette.contract import DepthMap, ObjectsJob
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.support.splats import random_splat
from workers.engines.protocols import ObjectAsset
from workers.errors import JobProblem
from workers.geometry.cameras import Camera
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity
from workers.jobs.depth_maps import MetricDepth, load_depth
from workers.jobs.media_loader import MediaLoader
from workers.jobs.objects.plausibility import flag_doubtful_size

W, H = 96, 64
CAMERA = Camera(W, H, 110.0, 104.0, 45.0, 34.0)
REF = {"id": "0" * 64}
Array = NDArray[np.float64]


def ball() -> Array:
    """z (H, W) in metres of a ball of 0.5 m, 2 m away, before a wall at 3 m; some pixels unknown."""
    y, x = np.mgrid[:H, :W] + 0.5
    rays = np.stack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy, np.ones_like(x)], axis=-1)
    along = rays @ np.array([0, 0, 2.0])
    square = (rays**2).sum(axis=-1)
    inside = along**2 - square * (4 - 0.25)
    hit = np.where(inside >= 0, (along - np.sqrt(np.maximum(inside, 0))) / square, 3.0)
    hit[:3] = np.nan
    return np.asarray(hit)


def points(z: Array) -> Array:
    y, x = np.mgrid[:H, :W] + 0.5
    return np.stack([(x - CAMERA.cx) / CAMERA.fx * z, (y - CAMERA.cy) / CAMERA.fy * z, z], axis=-1)


def read(values: Array, camera: Camera | None = CAMERA, *, whole: bool = False, **said: Any) -> MetricDepth:
    class Held:
        def load_depth_map(self, ref: Any) -> Any:
            return values.astype(np.float32), whole

    given = DepthMap.model_validate({"media": REF, **said})
    return load_depth(cast(MediaLoader, Held()), given, W, H, camera)


def test_millimetres_feet_and_lengths_of_rays_become_the_same_metres() -> None:
    z = ball()
    y, x = np.mgrid[:H, :W] + 0.5
    stretch = np.sqrt(1 + ((x - CAMERA.cx) / CAMERA.fx) ** 2 + ((y - CAMERA.cy) / CAMERA.fy) ** 2)
    for got in (
        read(z),
        read(np.round(np.nan_to_num(z) * 1000), whole=True),
        read(z / 0.3048, metres_per_unit=0.3048),
        read(z * stretch, measures="distance"),
    ):
        assert np.array_equal(np.isnan(got.depth), np.isnan(z))
        assert np.nanmax(np.abs(got.depth - z)) < 6e-4


@pytest.mark.parametrize(
    ("axes", "signs"), [("opencv", (1, 1, 1)), ("opengl", (1, -1, -1)), ("pytorch3d", (-1, -1, 1))]
)
def test_points_per_frame_give_depth_and_camera(axes: str, signs: tuple[int, int, int]) -> None:
    z = ball()
    got = read(points(z) * signs, None, axes=axes)
    assert np.nanmax(np.abs(got.depth - z)) < 1e-5
    assert got.camera is not None and got.camera.source == "estimated"
    stated = [got.camera.fx, got.camera.fy, got.camera.cx, got.camera.cy]
    assert stated == pytest.approx([110, 104, 45, 34], rel=1e-3)
    assert read(points(z) * signs, axes=axes).camera == CAMERA


def test_unknown_depths_are_nan_whatever_they_were() -> None:
    z = ball()
    z[10, :4] = [0, -1, np.inf, -np.inf]
    assert np.isnan(read(z).depth[10, :4]).all()


@pytest.mark.parametrize(
    ("values", "said", "code", "hint"),
    [
        (ball() * 1000, {}, "depth_implausible", "metres_per_unit"),
        (ball() / 1000, {}, "depth_implausible", "metres_per_unit"),
        (ball()[:, 1:], {}, "depth_mismatch", "95 x 64"),
        (np.full((H, W), np.nan), {}, "depth_empty", "no positive"),
        (points(ball()) * [1, -1, -1], {}, "depth_empty", "opencv"),
        (points(ball()) * [-1, -1, 1], {}, "depth_frame_mismatch", "axes"),
    ],
    ids=[
        "millimetres as metres",
        "too near",
        "size",
        "nothing",
        "OpenGL passed as OpenCV",
        "PyTorch3D as OpenCV",
    ],
)
def test_wrong_maps_are_refused_with_the_way_out(values: Array, said: Any, code: str, hint: str) -> None:
    with pytest.raises(JobProblem) as wrong:
        read(values, **said)
    assert wrong.value.problem.code == code and hint in str(wrong.value)


def test_a_depth_map_belongs_to_one_image() -> None:
    with pytest.raises(ValidationError, match="depth"):
        ObjectsJob.model_validate({"video": REF, "text": ["cup"], "multiview": True, "depth": {"media": REF}})


@pytest.mark.parametrize(("unit", "is_assumed"), [(None, True), (1.0, False), (0.001, False)])
def test_a_unit_that_was_not_given_is_reported(unit: float | None, is_assumed: bool) -> None:
    metres = ball() / (unit or 1.0)
    assert read(metres, metres_per_unit=unit).unit_assumed == is_assumed


@pytest.mark.parametrize(
    ("scale", "label", "is_flagged"),
    [
        (0.4, None, False),
        (299.0, None, True),
        (0.012, None, True),
        (0.1, "cup", False),
        (0.1, "car", True),
        (100.0, "cup", True),
        (4.5, "car", False),
        (35.0, "Airplane", False),
        (3.0, "gizmo", False),
    ],
)
def test_sizes_that_nothing_has_are_flagged(scale: float, label: str | None, is_flagged: bool) -> None:
    asset = make_asset(scale, "metric")
    flags = flag_doubtful_size(asset, label, unit_assumed=True).flags
    assert "depth_unit_assumed" in flags and ("size_implausible" in flags) == is_flagged
    assert "depth_unit_assumed" not in flag_doubtful_size(asset, label).flags
    # without a scale there is no size to doubt
    assert flag_doubtful_size(make_asset(scale, "relative"), label, unit_assumed=True).flags == ()


def make_asset(scale: float, source: Any) -> ObjectAsset:
    """A cube of `scale` metres."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64)
    return ObjectAsset(
        mesh=Mesh(corners, np.array([[0, 1, 2]])),
        splat=random_splat(1),
        pose=Similarity(np.eye(3), np.zeros(3), scale),
        camera=CAMERA,
        scale_source=source,
        confidence=0.5,
        silhouette_iou=None,
        flags=(),
    )
