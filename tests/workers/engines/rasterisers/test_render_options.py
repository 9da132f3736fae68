"""Depth maps and anti-aliasing of rasterisers, against closed forms."""

import math
import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.workers.engines.rasterisers.test_gsplat_probe import FakeTensor, FakeTorch
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import LOW_PASS, RasteriserMissing, RenderOptions
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

SIDE = 33
VIEW = PosedCamera(Camera(SIDE, SIDE, 60.0, 60.0, SIDE / 2, SIDE / 2), Similarity())
DEPTH, SMOOTH = RenderOptions(depth=True), RenderOptions(anti_aliased=True)


@pytest.fixture(scope="module")
def rasteriser() -> NumbaRasteriser:
    try:
        return NumbaRasteriser()
    except RasteriserMissing as error:
        pytest.skip(str(error))


def place(depths: list[float], scale: float, opacity: float) -> Gaussians:
    """Gaussians on the optical axis."""
    count = len(depths)
    means = np.array([[0, 0, z] for z in depths], np.float32)
    rotations = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    opacities = np.full(count, opacity, np.float32)
    return Gaussians(
        means, rotations, np.full((count, 3), scale, np.float32), opacities, np.ones((count, 3), np.float32)
    )


@pytest.mark.slow
def test_depth_is_the_mean_of_what_is_seen_and_unknown_where_nothing_is(rasteriser: NumbaRasteriser) -> None:
    plain = rasteriser.render(place([2.0, 4.0], 0.15, 0.5), VIEW)
    rendering = rasteriser.render(place([2.0, 4.0], 0.15, 0.5), VIEW, DEPTH)
    assert plain.depth is None and rendering.depth is not None
    np.testing.assert_array_equal(rendering.color, plain.color)
    # in the middle the nearer one has half of the light, the farther a half of the rest
    assert rendering.depth[SIDE // 2, SIDE // 2] == pytest.approx((0.5 * 2 + 0.25 * 4) / 0.75, rel=1e-3)
    assert np.isnan(rendering.depth[0, 0]) and rendering.alpha[0, 0] == 0
    assert rendering.depth.dtype == np.float32


@pytest.mark.slow
def test_an_opaque_gaussian_blocks_as_much_light_as_gsplat_lets_it(rasteriser: NumbaRasteriser) -> None:
    alpha = rasteriser.render(place([2.0], 0.3, 0.99999), VIEW).alpha
    assert alpha[SIDE // 2, SIDE // 2] == pytest.approx(0.999, abs=1e-5) and alpha.max() <= 0.9991


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.002, 0.01, 0.2])
def test_anti_aliased_gaussians_keep_their_light_however_small(
    rasteriser: NumbaRasteriser, scale: float
) -> None:
    gaussians = place([3.0], scale, 0.6)
    classic = rasteriser.render(gaussians, VIEW).alpha.sum()
    smooth = rasteriser.render(gaussians, VIEW, SMOOTH).alpha.sum()
    variance = (60 * scale / 3) ** 2
    # the filter widens the Gaussian, and the compensation takes as much of its opacity; a faint one also
    # loses the rim where its alpha is below 1/255
    share = variance / (variance + LOW_PASS)
    if share * 0.6 < 1 / 255:
        assert smooth == 0 < classic
        return
    assert smooth < classic and share == pytest.approx(smooth / classic, rel=0.15)
    assert smooth == pytest.approx(0.6 * 2 * math.pi * variance, rel=0.2)


def test_gsplat_is_asked_for_its_own_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def rasterization(*arguments: Any, render_mode: str, rasterize_mode: str, **_: Any) -> Any:
        asked.append((render_mode, rasterize_mode))
        width, height = arguments[7], arguments[8]
        channels = np.full((1, height, width, 4 if "D" in render_mode else 3), 2.5, np.float32)
        alpha = np.full((1, height, width, 1), 0.9, np.float32)
        alpha[0, 0, 0] = 0 if height > 1 else 0.9
        return FakeTensor(channels), FakeTensor(alpha), {}

    torch = FakeTorch()
    torch.no_grad = nullcontext
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "gsplat", SimpleNamespace(rasterization=rasterization))
    built = GsplatRasteriser()
    rendering = built.render(place([2.0], 0.1, 0.5), VIEW, RenderOptions(depth=True, anti_aliased=True))
    assert asked[-1] == ("RGB+ED", "antialiased") and asked[0] == ("RGB", "classic")
    assert rendering.color.shape == (SIDE, SIDE, 3) and rendering.depth is not None
    assert np.isnan(rendering.depth[0, 0]) and rendering.depth[5, 5] == 2.5
