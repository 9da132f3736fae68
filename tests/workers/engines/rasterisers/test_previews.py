"""The images of splats that people see are the same with and without a compiled rasteriser."""

import numpy as np
import pytest

from workers.engines.rasterisers import preview
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.poses import look_at
from workers.geometry.splat_renderer import render_splat

CAMERA = Camera(96, 64, 110.0, 110.0, 48.0, 32.0)


def cloud() -> Gaussians:
    rng = np.random.default_rng(5)
    turns = rng.normal(size=(400, 4))
    return Gaussians(
        rng.uniform(-0.4, 0.4, (400, 3)).astype(np.float32),
        (turns / np.linalg.norm(turns, axis=1, keepdims=True)).astype(np.float32),
        rng.uniform(0.005, 0.06, (400, 3)).astype(np.float32),
        rng.uniform(0.1, 0.95, 400).astype(np.float32),
        rng.uniform(0, 1, (400, 3)).astype(np.float32),
    )


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_compiled_preview_equals_that_of_numpy(scale: float) -> None:
    pytest.importorskip("numba", reason="the extra 'raster' is not installed")
    seen = look_at((0.6, 0.4, 1.4), (0.0, 0.0, 0.0))
    pose = type(seen)(seen.rotation, seen.translation, scale)
    compiled = preview.preview_splat(cloud(), CAMERA, pose).astype(int)
    plain = render_splat(cloud(), CAMERA, pose).astype(int)
    assert plain.std() > 20
    assert np.abs(compiled - plain).max() <= 6 and np.abs(compiled - plain).mean() < 0.3


def test_without_a_rasteriser_numpy_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "_rasteriser", lambda: None)
    pose = look_at((0.6, 0.4, 1.4), (0.0, 0.0, 0.0))
    assert np.array_equal(preview.preview_splat(cloud(), CAMERA, pose), render_splat(cloud(), CAMERA, pose))
