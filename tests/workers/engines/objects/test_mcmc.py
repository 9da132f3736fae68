"""Splats that grow while they are refined: the picture stays when Gaussians are copied, and the cap holds."""

import numpy as np
import pytest

from tests.support.synthetic_objects import around, thing
from workers.engines.objects.multi_view.reconstruction import surface_splat
from workers.engines.objects.splats.mcmc import DEAD, Growth, grow, shared
from workers.engines.objects.splats.optimizer import Opened
from workers.engines.objects.splats.refinement import refine
from workers.engines.objects.splats.view_refinement import thinned
from workers.geometry.gaussians import Gaussians, concatenate
from workers.geometry.meshes import Mesh

VIEWS = around(10, 360, 80)
SHOWN = thing("tee", wavy=True)
IMAGES, MASKS = (list(part) for part in zip(*(SHOWN.photograph(view) for view in VIEWS), strict=True))


def start(count=200):
    return surface_splat(Mesh(SHOWN.vertices, SHOWN.faces, np.full_like(SHOWN.colors, 128)), count, 0)


def one(opacity, scale, copies=1):
    parts = [np.zeros((1, 3)), [[1, 0, 0, 0]], [scale], [opacity], np.ones((1, 3))]
    return Gaussians(*(np.repeat(np.asarray(part, np.float32), copies, axis=0) for part in parts))


@pytest.mark.parametrize("opacity", [0.3, 0.9])
@pytest.mark.parametrize("copies", [2, 5, 20])
def test_copies_that_share_their_light_look_like_the_one_they_were(rasteriser, opacity, copies):
    scale = np.array([0.2, 0.1, 0.15])
    thinner, scales = shared(np.array([opacity]), scale[None], np.array([copies]))
    whole = rasteriser.render(one(opacity, scale), VIEWS[0]).alpha
    light = rasteriser.render(one(thinner[0], scales[0], copies), VIEWS[0]).alpha
    naive = rasteriser.render(one(opacity, scale, copies), VIEWS[0]).alpha
    assert abs(light.sum() / whole.sum() - 1) < 0.3
    assert np.abs(light - whole).mean() < 0.25 * np.abs(naive - whole).mean()


def test_a_single_one_stays_what_it_was():
    opacity, scales = np.array([0.4, 0.99]), np.array([[0.1, 0.2, 0.3], [1.0, 1.0, 1.0]])
    thinner, kept = shared(opacity, scales, np.array([1, 1]))
    np.testing.assert_allclose(thinner, opacity)
    np.testing.assert_allclose(kept, scales)


def test_growing_explains_held_out_views_better_and_keeps_to_its_cap(rasteriser):
    growth = Growth(cap=700)
    fixed, plain = refine(start(), IMAGES, MASKS, VIEWS, rasteriser, steps=200, seed=0)
    grown, gain = refine(start(), IMAGES, MASKS, VIEWS, rasteriser, steps=200, seed=0, growth=growth)
    assert len(fixed.means) == 200 < len(grown.means) <= 700
    assert gain > plain + 0.5
    for name in Gaussians.__slots__:
        assert np.isfinite(getattr(grown, name)).all()
    again, _ = refine(start(), IMAGES, MASKS, VIEWS, rasteriser, steps=200, seed=0, growth=growth)
    np.testing.assert_array_equal(grown.means, again.means)


def test_gaussians_that_nobody_sees_move_to_those_that_are_seen():
    seen = start(100)
    far = Gaussians(
        seen.means[:40] + np.float32(50),
        seen.rotations[:40],
        seen.scales[:40],
        np.full(40, DEAD / 2, np.float32),
        seen.colors[:40],
    )
    opened = Opened.of(concatenate([seen, far]))
    grow(opened, Growth(cap=140), np.random.default_rng(0))
    moved = opened.splat()
    assert len(moved.means) == 140
    assert np.abs(moved.means).max() < 5
    assert moved.opacities.min() > DEAD


def test_a_splat_above_the_cap_is_thinned_and_covers_what_it_covered(rasteriser):
    whole = start(4000)
    few = thinned(whole, 1000, np.random.default_rng(0))
    assert len(few.means) == 1000
    assert thinned(whole, 4000, np.random.default_rng(0)) is whole
    before, after = (rasteriser.render(splat, VIEWS[0]).alpha for splat in (whole, few))
    either = ((before > 0.5) | (after > 0.5)).sum()
    assert ((before > 0.5) & (after > 0.5)).sum() / either > 0.9
