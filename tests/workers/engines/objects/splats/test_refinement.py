"""Refining a splat: it is kept only when it is better on held-out views."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic_objects import cameras_around, make_object
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.splats.refinement import HELD_OUT_EVERY, RefinementBudget, mean_psnr, refine
from workers.engines.objects.splats.surfels import build_vertex_colored_surfels
from workers.engines.objects.splats.view_crops import crop_views, split_held_out
from workers.engines.rasterisers.protocol import Rendering
from workers.geometry.meshes import Mesh

pytestmark = pytest.mark.slow

VIEWS = cameras_around(10, 360, 64)
SHOWN = make_object("block")
IMAGES, MASKS = (list(part) for part in zip(*(SHOWN.photograph(view) for view in VIEWS), strict=True))


def start(grey=False):
    colors = np.full_like(SHOWN.colors, 128) if grey else SHOWN.colors
    return build_vertex_colored_surfels(Mesh(SHOWN.vertices, SHOWN.faces, colors), 400, 0)


def test_wrong_colours_are_corrected_and_the_gain_is_that_of_held_out_views(rasteriser):
    budget = RefinementBudget(steps=60)
    refined, gain = refine(start(grey=True), IMAGES, MASKS, VIEWS, rasteriser, budget=budget, seed=0)
    _, held_out = split_held_out(crop_views(IMAGES, MASKS, VIEWS, budget.long_side), HELD_OUT_EVERY)
    assert len(held_out) == 2
    assert gain > 1
    before, after = (mean_psnr(splat, held_out, rasteriser) for splat in (start(grey=True), refined))
    assert gain == pytest.approx(after - before, abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(refined.rotations, axis=1), 1, atol=1e-5)
    for values in refined.arrays().values():
        assert np.isfinite(values).all()


def test_colours_that_depend_on_the_side_are_learned_by_harmonics(rasteriser):
    # red light from the front and blue from behind, which one colour per Gaussian cannot show
    lit = []
    for image, view in zip(IMAGES, VIEWS, strict=True):
        share = (1 + view.cam_from_world.rotation_matrix()[2, 2]) / 2
        lit.append(np.round(image * [share, 0.5, 1 - share]).astype(np.uint8))
    budget, plain = RefinementBudget(steps=40), start(grey=True)
    start_of_harmonics = replace(plain, harmonics=np.zeros((len(plain.means), 3, 3), np.float32))
    _, held_out = split_held_out(crop_views(lit, MASKS, VIEWS, budget.long_side), HELD_OUT_EVERY)
    scores = []
    for splat in (plain, start_of_harmonics):
        refined, gain = refine(splat, lit, MASKS, VIEWS, rasteriser, budget=budget, seed=0)
        assert gain > 0 and refined.degree == splat.degree
        scores.append(mean_psnr(refined, held_out, rasteriser))
    assert scores[1] > scores[0] + 1, scores
    assert np.abs(refined.harmonics).max() > 0.02


def test_a_refinement_that_does_not_help_is_dropped(rasteriser):
    class WrongGradients:
        """Renders correctly, and returns gradients that point the wrong way."""

        name = "wrong"

        def render(self, gaussians, view) -> Rendering:
            return rasteriser.render(gaussians, view)

        def backward(self, gaussians, view, by_color, by_alpha):
            return rasteriser.backward(gaussians, view, -by_color, -by_alpha)

    initial = start()
    budget = RefinementBudget(steps=10)
    kept, gain = refine(initial, IMAGES, MASKS, VIEWS, WrongGradients(), budget=budget, seed=0)
    assert gain == 0 and kept is initial


def test_too_few_views_are_not_refined(rasteriser):
    some, none = RefinementBudget(steps=10), RefinementBudget(steps=0)
    assert refine(start(), IMAGES[:5], MASKS[:5], VIEWS[:5], rasteriser, budget=some, seed=0) is None
    assert refine(start(), IMAGES, MASKS, VIEWS, rasteriser, budget=none, seed=0) is None


def test_the_engine_reports_the_gain_and_keeps_splat_and_mesh_together(rasteriser):
    assert rasteriser.name
    engine = DefaultObjects(splats=1500, refine_steps=40)
    asset = engine.reconstruct_views(IMAGES, MASKS, VIEWS, seed=1)
    assert asset.views.refined_gain_db is not None and asset.views.refined_gain_db >= 0
    low, high = asset.mesh.vertices.min(axis=0), asset.mesh.vertices.max(axis=0)
    inside = ((asset.splat.means > low - 0.05) & (asset.splat.means < high + 0.05)).all(axis=1)
    assert inside.mean() > 0.98
    again = engine.reconstruct_views(IMAGES, MASKS, VIEWS, seed=1)
    np.testing.assert_array_equal(asset.splat.means, again.splat.means)
