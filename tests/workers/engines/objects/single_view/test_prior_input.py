"""The crop that the shape prior sees depends neither on the image's size nor on the object's place."""

import numpy as np
import pytest

from workers.engines.objects.single_view.prior_input import FILL, SIDE, build_prior_crop
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.poses import look_at


def photograph(side, aside=0.0):
    """A slab of longest side 1 at distance 3, its mask and its depth, seen by a camera turned `aside`."""
    camera = Camera.with_field_of_view(side, side, 50)
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.3, 0.3) for z in (-0.2, 0.2)])
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in sides for face in ((a, b, c), (a, c, d))])
    pose = look_at([1.2, 1.0, 2.6], [aside, 0, 0])
    raster = rasterize(pose.apply(corners), faces, camera)
    colors = np.array([[220, 40, 40], [40, 200, 60], [50, 60, 230]], dtype=np.uint8)
    image = np.where((raster.face >= 0)[..., None], colors[raster.face // 4], 128).astype(np.uint8)
    return image, raster.face >= 0, camera, np.where(raster.face >= 0, raster.depth, np.nan)


def crop(side, aside=0.0, **options):
    image, mask, camera, depth = photograph(side, aside)
    return build_prior_crop(image, mask, camera, depth.astype(np.float32), **options)


@pytest.mark.parametrize(("side", "aside", "least"), [(512, 0.0, 0.97), (256, 0.6, 0.88), (384, -0.5, 0.88)])
def test_the_crop_is_the_same_in_other_images(side, aside, least):
    # a camera that is turned aside while it looks down sees the object rolled by a few degrees
    reference, other = crop(256), crop(side, aside)
    assert other.tangent == pytest.approx(reference.tangent, rel=0.03)
    both = reference.mask & other.mask
    assert both.sum() / (reference.mask | other.mask).sum() > least
    assert np.abs(reference.channels - other.channels)[:3, both].mean() < 0.1
    assert np.abs(reference.channels - other.channels)[4, both].mean() < 0.04


def test_the_object_fills_the_crop():
    rows, columns = np.nonzero(crop(300, 0.4).mask)
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longer == pytest.approx(FILL * SIDE, abs=2)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(SIDE / 2, abs=1.5)


def test_points_keep_their_rays_and_depths_through_the_virtual_camera():
    prior = crop(256, 0.6)
    rays = np.array([[0.1, -0.05, 1.0], [-0.2, 0.1, 1.0]])
    points = rays * [[2.0], [3.0]]
    virtual = points @ prior.rotation.T
    assert prior.to_real_depth(rays, virtual[:, 2]) == pytest.approx([2.0, 3.0])
    assert prior.project(rays) == pytest.approx(prior.project(points))


def test_unknown_and_impossible_depths_are_left_out():
    image, mask, camera, depth = photograph(256)
    without = build_prior_crop(image, mask, camera)
    assert not without.channels[4:].any()
    broken = depth.astype(np.float32)
    broken[:, :120] = np.nan
    broken[:, 120:130] = -1
    partly = build_prior_crop(image, mask, camera, broken)
    assert 0 < partly.channels[5].sum() < crop(256).channels[5].sum()
    assert np.isfinite(partly.channels).all()
    assert not build_prior_crop(image, mask, camera, np.full_like(broken, np.nan)).channels[4:].any()


def test_the_colours_of_the_background_are_not_seen():
    image, mask, camera, _ = photograph(256)
    for color in (7, 250):
        other = np.where(mask[..., None], image, color).astype(np.uint8)
        assert (build_prior_crop(other, mask, camera).channels[:4] == crop(256).channels[:4]).all()
    assert not crop(256).channels[:3, ~crop(256).mask].any()


def test_a_quarter_turn_and_a_zoom_show_the_same_object():
    image, mask, camera, _ = photograph(256)
    plain, turned = (build_prior_crop(image, mask, camera, roll=roll) for roll in (0.0, 90.0))
    assert np.abs(np.rot90(turned.channels, 1, axes=(1, 2)) - plain.channels)[:3].mean() < 0.005
    wide = build_prior_crop(image, mask, camera, zoom=1.25)
    assert wide.tangent == pytest.approx(1.25 * plain.tangent)
    assert wide.mask.sum() * 1.25**2 == pytest.approx(plain.mask.sum(), rel=0.02)
    # rays of the wider crop lead back to its own pixels
    centres = np.mgrid[:SIDE, :SIDE][::-1].reshape(2, -1).T + 0.5
    assert wide.project(wide.list_rays()) == pytest.approx(centres)
