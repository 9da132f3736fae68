"""Carving by colour, and completing what no view sees, on known hollow shapes."""

import numpy as np
import pytest
import trimesh

from tests.support.synthetic_objects import cameras_around, count_volume, make_object
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.multi_view.carving import compare_with_views, paint
from workers.engines.objects.splats.view_crops import crop_views, split_held_out

pytestmark = pytest.mark.slow

VIEWS = cameras_around(16, 360, 112)
FULL = DefaultObjects(splats=500, refine_steps=0)
HULL = DefaultObjects(splats=500, refine_steps=0, carve=False)


def photographs(kind, *, wavy):
    shown = make_object(kind, wavy=wavy)
    images, masks = zip(*(shown.photograph(view) for view in VIEWS), strict=True)
    return list(images), list(masks)


def solid(asset):
    """The closed mesh in the world's unit."""
    placed = VIEWS[0].cam_from_world.inverse().compose(asset.pose)
    mesh = trimesh.Trimesh(placed.apply(asset.mesh.vertices), asset.mesh.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    return mesh


@pytest.fixture(scope="module")
def cup():
    images, masks = photographs("cup", wavy=True)
    return FULL.reconstruct_views(images, masks, VIEWS)


def test_colours_hollow_a_cup(cup):
    assert cup.views.carved_gain_db > 1 and "hollows_filled" not in cup.flags
    assert solid(cup).volume == pytest.approx(count_volume("cup"), rel=0.2)


def test_the_ground_that_no_view_sees_continues_the_wall_and_is_flagged(cup):
    assert "hollow_guessed" in cup.flags
    middle = solid(cup)
    bottom = middle.vertices[(np.abs(middle.vertices[:, [0, 2]]) < 0.2).all(axis=1)]
    ground = bottom[bottom[:, 1] > -0.48]
    np.testing.assert_allclose(ground[:, 1], -0.4, atol=0.06)


def test_a_cup_of_one_colour_keeps_its_hull():
    images, masks = photographs("cup", wavy=True)
    plain = [
        np.where(mask[..., None], 150, image).astype(np.uint8)
        for image, mask in zip(images, masks, strict=True)
    ]
    asset, rough = (engine.reconstruct_views(plain, masks, VIEWS) for engine in (FULL, HULL))
    assert asset.views.carved_gain_db is None and "hollows_filled" in asset.flags
    np.testing.assert_allclose(solid(asset).volume, solid(rough).volume, rtol=0.01)


def test_colours_without_agreement_carve_nothing():
    images, masks = photographs("block", wavy=True)
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, image.shape, dtype=np.uint8) for image in images]
    asset = FULL.reconstruct_views(noise, masks, VIEWS)
    assert asset.views.carved_gain_db is None
    assert solid(asset).volume == pytest.approx(count_volume("block"), rel=0.15)


@pytest.mark.parametrize(("height", "kept"), [(1.0, 1.0), (0.8, 0.8)])
def test_what_a_carved_surface_lacks_says_nothing_about_the_rest(height, kept):
    images, masks = photographs("block", wavy=True)
    shown, judges = split_held_out(crop_views(images, masks, VIEWS, 112), 4)
    block = make_object("block")
    shorter = block.vertices * [1, height, 1] + [0, (height - 1) / 2, 0]
    surfaces = (paint(points, block.faces, shown) for points in (shorter, 1.2 * block.vertices))
    gain, share = compare_with_views(*surfaces, judges)
    assert gain > 3
    assert share == pytest.approx(kept, abs=0.08)


def test_a_table_gets_a_flat_underside_that_is_flagged():
    images, masks = photographs("table", wavy=True)
    asset, rough = (engine.reconstruct_views(images, masks, VIEWS) for engine in (FULL, HULL))
    assert "underside_guessed" in asset.flags and "underside_guessed" not in rough.flags
    carved = solid(asset)
    vertices = carved.vertices
    under = vertices[(np.abs(vertices[:, [0, 2]]) < 0.2).all(axis=1) & (vertices[:, 1] < 0.06)]
    np.testing.assert_allclose(under[:, 1], 0.0, atol=0.05)
    assert carved.volume == pytest.approx(count_volume("table"), rel=0.25)
    assert solid(rough).volume > 1.3 * count_volume("table")
