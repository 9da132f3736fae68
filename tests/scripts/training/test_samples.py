"""Samples of the shape prior: repeatable, true to their meshes, and normalised."""

import numpy as np
import pytest
import trimesh

from scripts.training.drawn_shapes import FAMILIES, draw_shape
from scripts.training.primitives import box, ellipsoid, lathe, prism, tube
from workers.engines.objects.single_view.prior_input import FILL, SIDE
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize

two_sided = pytest.importorskip("scripts.training.two_sided", reason="needs the extra raster (numba)")
samples = pytest.importorskip("scripts.training.samples")


def draw(seed):
    rng = np.random.default_rng(seed)
    vertices, faces, owner = draw_shape(rng)
    return samples.render_sample(rng, vertices, faces, owner, None)


@pytest.mark.parametrize(
    "part",
    [
        box((1, 2, 3)),
        ellipsoid((1, 2, 1), (0.3, 0.7)),
        lathe(np.array([0.5, 0.2]), np.array([0.0, 1.0])),
        prism(np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=float), 0.5),
        tube(np.linspace([0, 0, 0], [1, 0.2, 0], 5), 0.1),
    ],
)
def test_primitives_are_closed_and_face_outwards(part):
    mesh = trimesh.Trimesh(*part)
    assert mesh.is_watertight and abs(mesh.volume) > 0.01


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_draws_finite_parts(family):
    for seed in range(2):
        for vertices, faces in family(np.random.default_rng(seed)):
            assert np.isfinite(vertices).all()
            assert faces.min() >= 0 and faces.max() < len(vertices)


@pytest.mark.slow
def test_two_sided_depth_agrees_with_the_renderer_and_with_the_shape():
    vertices, faces = box((1, 1, 1))
    placed = vertices + np.array([0.1, 0.0, 3.0])
    raster = two_sided.rasterize_two_sided(placed, faces, 60.0, 48)
    reference = rasterize(placed, faces, Camera(48, 48, 60.0, 60.0, 24.0, 24.0))
    assert ((raster.face >= 0) == (reference.face >= 0)).all()
    hit = raster.face >= 0
    assert raster.front[hit] == pytest.approx(reference.depth[hit])
    assert raster.front[24, 24] == pytest.approx(2.5) and raster.back[24, 24] == pytest.approx(3.5)


def test_a_sample_depends_on_its_seed_alone():
    one, again = draw(5), draw(5)
    assert np.array_equal(one.rgb, again.rgb) and np.array_equal(one.front, again.front, equal_nan=True)
    assert one.tangent == again.tangent


def test_a_sample_fills_its_crop_and_its_depths_are_in_sizes_of_the_object():
    for seed in range(3):
        sample = draw(seed)
        rows, columns = np.nonzero(sample.mask)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(FILL * SIDE, abs=3)
        inside = sample.mask > 0
        front, back = sample.front[inside].astype(float), sample.back[inside].astype(float)
        assert (back >= front - 1e-3).all()
        assert front.min() > -1.2 and back.max() < 1.2
        assert np.isnan(sample.front[~inside]).all()
