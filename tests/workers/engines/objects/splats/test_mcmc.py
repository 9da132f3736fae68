"""Densification: renderings stay the same when Gaussians are copied, and the cap holds."""

import numpy as np
import pytest

from tests.support.synthetic_objects import cameras_around, make_object
from workers.engines.objects.splats.mcmc import McmcParameters, densify, split_opacity
from workers.engines.objects.splats.optimizer import GaussianParameters
from workers.engines.objects.splats.refinement import RefinementBudget, refine, subsample
from workers.engines.objects.splats.surfels import build_vertex_colored_surfels
from workers.geometry.gaussians import Gaussians, concatenate
from workers.geometry.meshes import Mesh

pytestmark = pytest.mark.slow

VIEWS = cameras_around(10, 360, 80)
SHOWN = make_object("tee", wavy=True)
IMAGES, MASKS = (list(part) for part in zip(*(SHOWN.photograph(view) for view in VIEWS), strict=True))


def start(count=200):
    grey = Mesh(SHOWN.vertices, SHOWN.faces, np.full_like(SHOWN.colors, 128))
    return build_vertex_colored_surfels(grey, count, 0)


def gaussian(opacity, scale, copies=1):
    parts = [np.zeros((1, 3)), [[1, 0, 0, 0]], [scale], [opacity], np.ones((1, 3))]
    return Gaussians(*(np.repeat(np.asarray(part, np.float32), copies, axis=0) for part in parts))


@pytest.mark.parametrize("opacity", [0.3, 0.9])
@pytest.mark.parametrize("copies", [2, 5, 20])
def test_copies_with_split_opacity_render_like_the_original(rasteriser, opacity, copies):
    scale = np.array([0.2, 0.1, 0.15])
    split, scales = split_opacity(np.array([opacity]), scale[None], np.array([copies]))
    original = rasteriser.render(gaussian(opacity, scale), VIEWS[0]).alpha
    copied = rasteriser.render(gaussian(split[0], scales[0], copies), VIEWS[0]).alpha
    naive = rasteriser.render(gaussian(opacity, scale, copies), VIEWS[0]).alpha
    assert abs(copied.sum() / original.sum() - 1) < 0.3
    assert np.abs(copied - original).mean() < 0.25 * np.abs(naive - original).mean()


def test_a_single_copy_is_unchanged():
    opacity, scales = np.array([0.4, 0.99]), np.array([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0]])
    split, kept = split_opacity(opacity, scales, np.array([1, 1]))
    np.testing.assert_allclose(split, opacity)
    np.testing.assert_allclose(kept, scales)


def test_densification_improves_held_out_views_and_respects_its_cap(rasteriser):
    fixed_budget = RefinementBudget(steps=200)
    growing_budget = RefinementBudget(steps=200, mcmc=McmcParameters(max_gaussians=700))
    fixed, plain = refine(start(), IMAGES, MASKS, VIEWS, rasteriser, budget=fixed_budget, seed=0)
    grown, gain = refine(start(), IMAGES, MASKS, VIEWS, rasteriser, budget=growing_budget, seed=0)
    assert len(fixed.means) == 200 < len(grown.means) <= 700
    assert gain > plain + 0.5
    for values in grown.arrays().values():
        assert np.isfinite(values).all()


def test_densification_is_reproducible(rasteriser):
    budget = RefinementBudget(steps=25, mcmc=McmcParameters(max_gaussians=400, interval=10))
    first, again = (
        refine(start(), IMAGES, MASKS, VIEWS, rasteriser, budget=budget, seed=0)[0] for _ in range(2)
    )
    assert len(first.means) > 200
    np.testing.assert_array_equal(first.means, again.means)


def test_transparent_gaussians_are_relocated_to_opaque_ones():
    opaque = start(100)
    transparent = Gaussians(
        opaque.means[:40] + np.float32(50),
        opaque.rotations[:40],
        opaque.scales[:40],
        np.full(40, McmcParameters().dead_opacity / 2, np.float32),
        opaque.colors[:40],
    )
    parameters = GaussianParameters.from_gaussians(concatenate([opaque, transparent]))
    densify(parameters, McmcParameters(max_gaussians=140), np.random.default_rng(0))
    moved = parameters.to_gaussians()
    assert len(moved.means) == 140
    assert np.abs(moved.means).max() < 5
    assert moved.opacities.min() > McmcParameters().dead_opacity


def test_a_splat_above_the_cap_is_subsampled_and_covers_the_same_pixels(rasteriser):
    whole = start(4000)
    few = subsample(whole, 1000, np.random.default_rng(0))
    assert len(few.means) == 1000
    assert subsample(whole, 4000, np.random.default_rng(0)) is whole
    before, after = (rasteriser.render(splat, VIEWS[0]).alpha for splat in (whole, few))
    either = ((before > 0.5) | (after > 0.5)).sum()
    assert ((before > 0.5) & (after > 0.5)).sum() / either > 0.9
