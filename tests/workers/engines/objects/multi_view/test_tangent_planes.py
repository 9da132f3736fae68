"""Planes pushed to where outlines need the hull: flat sides come out flat, and the ground where it is."""

import numpy as np
import pytest
import trimesh

from tests.support.synthetic_objects import cameras_around, make_object
from workers.engines.objects.multi_view.tangent_planes import (
    cut_to_tangent_planes,
    find_support_height,
    list_directions,
    trace_outlines,
)
from workers.engines.objects.multi_view.views import select_views
from workers.engines.objects.multi_view.visual_hull import build_hull
from workers.geometry.posed_cameras import estimate_up

VIEWS = cameras_around(16, 360)


@pytest.fixture(scope="module")
def photographed():
    """The cup, whose outside is a box as wide as deep, its views, and their hull."""
    cup = make_object("cup")
    images, masks = zip(*(cup.photograph(view) for view in VIEWS), strict=True)
    views = select_views(list(images), list(masks), VIEWS)
    return cup, views, build_hull(views, estimate_up(VIEWS))


def test_an_object_stands_where_its_lowest_outline_is(photographed):
    _, views, hull = photographed
    floor = find_support_height(trace_outlines(hull, views))
    # half a pixel of the images is 0.007
    assert floor == pytest.approx(-0.5, abs=0.01)


def test_flat_sides_lose_the_pyramid_and_the_wedges_that_masks_allow(photographed):
    shown, views, hull = photographed
    outlines = trace_outlines(hull, views)
    hull = hull.clip_below(find_support_height(outlines))
    cut = cut_to_tangent_planes(hull, outlines, list_directions())
    before, after = (trimesh.Trimesh(*field.extract_mesh(), process=False) for field in (hull, cut))
    size = np.ptp(shown.vertices, axis=0)
    assert before.extents[1] > size[1] + 0.05 and before.volume > 1.15 * size.prod()
    assert after.volume < 1.1 * size.prod()
    assert after.extents[1] == pytest.approx(size[1], abs=0.02)
    # planes come in steps of 10 degrees
    np.testing.assert_allclose(after.extents, size, atol=0.05)


def test_views_that_look_up_say_nothing_about_the_ground():
    below = cameras_around(8, 360, elevation=-20.0)
    images, masks = zip(*(make_object("block").photograph(view) for view in below), strict=True)
    views = select_views(list(images), list(masks), below)
    hull = build_hull(views, estimate_up(below))
    assert find_support_height(trace_outlines(hull, views)) is None
