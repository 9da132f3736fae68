"""The depth that bounds a hull: what colours of other views determine, and no more, is given to one view."""

import numpy as np
import pytest

from tests.support.synthetic_objects import cameras_around, make_object
from workers.engines.objects.multi_view.depth_slab import bound_depth
from workers.engines.objects.multi_view.views import select_views
from workers.engines.objects.multi_view.visual_hull import build_hull
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.posed_cameras import estimate_up

pytestmark = pytest.mark.slow


class Stopped(Exception):
    """Raised by the reconstructor below, once it has seen what it is given."""


def test_one_view_gets_the_depth_that_colours_determine():
    shown, cameras = make_object("block", wavy=True), cameras_around(6, 30, 112)
    images, masks = zip(*(shown.photograph(view) for view in cameras), strict=True)
    hull = build_hull(select_views(images, masks, cameras), estimate_up(cameras))

    def watch(pictures):
        seen = []

        def single_view(image, mask, *, camera, depth=None):
            seen.extend([mask, camera, depth])
            raise Stopped

        with pytest.raises(Stopped):
            bound_depth(hull, select_views(pictures, masks, cameras), single_view, 30.0, np.zeros(3))
        return seen

    mask, camera, depth = watch(images)
    view = cameras[[np.array_equal(mask, each) for each in masks].index(True)]
    assert camera == view.camera
    truth = rasterize(view.cam_from_world.apply(shown.vertices), shown.faces, view.camera).depth
    known = np.isfinite(depth)
    assert (known & mask).sum() > 0.3 * mask.sum() and not known[~mask].any()
    assert np.median(np.abs(depth - truth)[known & np.isfinite(truth)]) < 0.03
    plain = [
        np.where(mask[..., None], 150, image).astype(np.uint8)
        for image, mask in zip(images, masks, strict=True)
    ]
    assert watch(plain)[2] is None
