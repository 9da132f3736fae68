"""Every rasteriser against a plain float64 one: images within 55 dB, gradients within 1e-4."""

import importlib
import sys

import numpy as np
import pytest

from tests.support.synthetic_objects import cameras_around
from workers.engines.rasterisers import choice, numba_rasteriser
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.hosted import HostedRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import RasteriserMissing
from workers.geometry.gaussians import Gaussians
from workers.geometry.spherical_harmonics import evaluate_basis

pytestmark = pytest.mark.slow

NAMES = ("means", "rotations", "scales", "opacities", "colors")


def make_hosted_rasteriser():
    """A child with this interpreter: what goes over the pipe must change nothing."""
    return HostedRasteriser(sys.executable, "numba")


@pytest.fixture(scope="module", params=[NumbaRasteriser, GsplatRasteriser, make_hosted_rasteriser])
def rasteriser(request):
    try:
        built = request.param()
    except RasteriserMissing as error:
        pytest.skip(str(error))
    yield built
    if isinstance(built, HostedRasteriser):
        built.close()


def scene(count, seed=0, size=0.08):
    rng = np.random.default_rng(seed)
    return [
        rng.uniform(-0.5, 0.5, (count, 3)),
        rng.normal(size=(count, 4)),
        rng.uniform(0.2, 1.0, (count, 3)) * size,
        rng.uniform(0.2, 0.95, count),
        rng.uniform(0, 1, (count, 3)),
    ]


def pack(parts):
    return Gaussians(*(np.asarray(part, dtype=np.float32) for part in parts))


def reference(parts, view, cuts=None):
    """Float64, one Gaussian after the other over the whole image, written from the papers' formulas.

    `cuts` collects which pixels each Gaussian reaches, or when it is full holds them: differences then do not
    count the jumps where a Gaussian ends.
    """
    held = list(cuts) if cuts else None
    means, rotations, scales, opacities, colors = (np.asarray(part, dtype=np.float64) for part in parts)
    camera, pose = view.camera, view.cam_from_world
    world = pose.rotation_matrix()
    placed = means @ world.T + np.asarray(pose.translation)
    ys, xs = np.mgrid[: camera.height, : camera.width] + 0.5
    color, light = np.zeros((camera.height, camera.width, 3)), np.ones((camera.height, camera.width))
    open_ = np.ones(light.shape, bool)
    for k in np.argsort(placed[:, 2], kind="stable"):
        x, y, z = placed[k]
        if z <= 0.01:
            continue
        w, i, j, l = rotations[k] / np.linalg.norm(rotations[k])  # noqa: E741
        turn = np.eye(3) + 2 * np.array(
            [
                [-(j * j + l * l), i * j - w * l, i * l + w * j],
                [i * j + w * l, -(i * i + l * l), j * l - w * i],
                [i * l - w * j, j * l + w * i, -(i * i + j * j)],
            ]
        )
        wide, high = 1.3 * camera.width / (2 * camera.fx), 1.3 * camera.height / (2 * camera.fy)
        tx, ty = np.clip(x / z, -wide, wide), np.clip(y / z, -high, high)
        jacobian = np.array(
            [[camera.fx / z, 0, -camera.fx * tx / z], [0, camera.fy / z, -camera.fy * ty / z]]
        )
        spread = world @ turn @ np.diag(scales[k] ** 2) @ turn.T @ world.T
        covariance = jacobian @ spread @ jacobian.T + 0.3 * np.eye(2)
        inverse = np.linalg.inv(covariance)
        dx, dy = xs - (camera.fx * x / z + camera.cx), ys - (camera.fy * y / z + camera.cy)
        power = 0.5 * (inverse[0, 0] * dx * dx + inverse[1, 1] * dy * dy) + inverse[0, 1] * dx * dy
        alpha = np.minimum(opacities[k] * np.exp(-power), 0.99)
        reached = (alpha >= 1 / 255) & open_ if held is None else held.pop(0)
        if cuts is not None and held is None:
            cuts.append(reached)
        alpha = np.where(reached, alpha, 0)
        color += (alpha * light)[..., None] * colors[k]
        light = light * (1 - alpha)
        open_ &= light >= 1e-4
    return color, 1 - light


def psnr(a, b):
    return 10 * np.log10(1 / max(float(((a - b) ** 2).mean()), 1e-20))


@pytest.mark.parametrize("view", cameras_around(3, 120, 64))
def test_renderings_agree_with_the_reference(rasteriser, view):
    parts = scene(300)
    rendered = rasteriser.render(pack(parts), view)
    color, alpha = reference(parts, view)
    assert psnr(rendered.color, color) >= 55 and psnr(rendered.alpha, alpha) >= 55
    assert 0.2 < alpha.mean() < 0.999


@pytest.mark.parametrize("name", ["means", "colors", "harmonics"])
def test_gradients_of_harmonics_agree_with_finite_differences(rasteriser, name):
    view = cameras_around(1, 360, 24)[0]
    rng = np.random.default_rng(6)
    harmonics = rng.normal(0, 0.2, (8, 15, 3))
    values = dict(zip(NAMES, scene(8, seed=4, size=0.15), strict=True)) | {"harmonics": harmonics}
    eye = view.cam_from_world.inverse().apply(np.zeros((1, 3)))[0]
    weights = rng.normal(size=(24, 24, 3)), rng.normal(size=(24, 24))

    def show(changed):
        # what a camera sees of each Gaussian: degree 0 and the basis, cut off below 0
        directions = changed["means"] - eye
        basis = evaluate_basis(directions / np.linalg.norm(directions, axis=1, keepdims=True), 3)
        seen = changed["colors"] + np.einsum("nk,nkc->nc", basis, changed["harmonics"])
        return [*(changed[each] for each in NAMES[:-1]), np.maximum(seen, 0)]

    cuts = []
    reference(show(values), view, cuts)

    def loss(changed):
        color, alpha = reference(show(changed), view, cuts)
        return float((color * weights[0]).sum() + (alpha * weights[1]).sum())

    splat = Gaussians(**{each: array.astype(np.float32) for each, array in values.items()})
    _, actual = rasteriser.backward(splat, view, *(weight.astype(np.float32) for weight in weights))
    wanted = np.zeros_like(values[name])
    for index in np.ndindex(wanted.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = values | {name: values[name].copy()}
            moved[name][index] += step
            ends.append(loss(moved))
        wanted[index] = (ends[0] - ends[1]) / 2e-6
    assert np.abs(getattr(actual, name) - wanted).max() / np.abs(wanted).max() <= 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_finite_differences_of_the_reference(rasteriser, name):
    view = cameras_around(1, 360, 32)[0]
    rng = np.random.default_rng(5)
    parts = scene(12, seed=3, size=0.15)
    weights = rng.normal(size=(32, 32, 3)), rng.normal(size=(32, 32))

    cuts = []
    reference(parts, view, cuts)

    def loss(changed):
        color, alpha = reference(changed, view, cuts)
        return float((color * weights[0]).sum() + (alpha * weights[1]).sum())

    _, actual = rasteriser.backward(pack(parts), view, *(weight.astype(np.float32) for weight in weights))
    at = NAMES.index(name)
    wanted = np.zeros_like(parts[at])
    for index in np.ndindex(wanted.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [part.copy() for part in parts]
            moved[at][index] += step
            ends.append(loss(moved))
        wanted[index] = (ends[0] - ends[1]) / 2e-6
    error = np.abs(getattr(actual, name) - wanted).max() / np.abs(wanted).max()
    assert error <= 1e-4


def test_invisible_gaussians_change_nothing_and_have_no_gradient(rasteriser):
    view = cameras_around(1, 360, 32)[0]
    parts = scene(3)
    behind = view.centre() * 1.5
    parts[0][0] = behind
    parts[0][1] = [50.0, 0.0, 0.0]
    rendered, actual = rasteriser.backward(
        pack(parts), view, np.ones((32, 32, 3), np.float32), np.ones((32, 32), np.float32)
    )
    alone = rasteriser.render(pack([part[2:] for part in parts]), view)
    np.testing.assert_allclose(rendered.color, alone.color, atol=1e-6)
    for name in NAMES:
        assert not getattr(actual, name)[:2].any() and np.isfinite(getattr(actual, name)).all()


def test_no_gaussians_render_black(rasteriser):
    view = cameras_around(1, 360, 32)[0]
    rendered = rasteriser.render(pack([part[:0] for part in scene(1)]), view)
    assert not rendered.color.any() and not rendered.alpha.any()


def test_the_same_call_gives_the_same_numbers(rasteriser):
    view = cameras_around(1, 360, 64)[0]
    one, two = (rasteriser.render(pack(scene(500)), view) for _ in range(2))
    np.testing.assert_array_equal(one.color, two.color)


def test_a_missing_rasteriser_names_what_it_needs(monkeypatch):
    def gone(name):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(numba_rasteriser.importlib, "import_module", gone)
    with pytest.raises(RasteriserMissing, match=r"maquette-server\[raster\]"):
        NumbaRasteriser()
    with pytest.raises(RasteriserMissing, match=r"torch.*; .*raster"):
        choice.choose_rasteriser()
    assert RasteriserMissing.code == "rasteriser_missing"


def test_an_interpreter_without_gsplat_is_logged_and_the_next_rasteriser_is_used(monkeypatch, caplog):
    if importlib.util.find_spec("numba") is None:
        pytest.skip("the extra 'raster' is not installed")
    monkeypatch.setenv("MAQUETTE_GSPLAT_PYTHON", sys.executable)
    monkeypatch.setattr(choice.GsplatRasteriser, "__init__", _no_gpu)
    assert choice.choose_rasteriser().name == "numba"
    assert "MAQUETTE_GSPLAT_PYTHON is set, but" in caplog.text
    with pytest.raises(RasteriserMissing, match="cannot be run"):
        HostedRasteriser("/no/such/python")


def _no_gpu(self):
    raise RasteriserMissing("no GPU")


def test_a_rasteriser_is_chosen():
    if importlib.util.find_spec("numba") is None:
        pytest.skip("the extra 'raster' is not installed")
    assert choice.choose_rasteriser().name in ("gsplat", "numba")
