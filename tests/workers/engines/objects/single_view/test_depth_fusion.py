"""What was measured replaces what was predicted, holes take the prediction, and outliers are not believed."""

import numpy as np
import pytest

from workers.engines.objects.single_view.depth_fusion import fuse_depth
from workers.engines.objects.single_view.mask_view import MaskView
from workers.geometry.cameras import Camera

SIDE = 60
Y, X = np.mgrid[:SIDE, :SIDE] + 0.5
MASK = np.hypot(X - 30, Y - 30) < 25
PIXELS = np.stack([X[MASK], Y[MASK]], axis=1)
INSIDE = 25 - np.hypot(PIXELS[:, 0] - 30, PIXELS[:, 1] - 30)
CAMERA = Camera(SIDE, SIDE, 125.0, 125.0, 30.0, 30.0)
# a slanted front at about two metres, and a prediction at about depth 1 that is bent
TRUE = 2.0 + 0.004 * (X - 30)
PREDICTED = 1.0 + 0.002 * (PIXELS[:, 0] - 30) + 0.01 * np.sin(PIXELS[:, 1] / 8)
EXTENT = 0.4


def fuse(depth, predicted=PREDICTED):
    error = np.full(len(PIXELS), 0.02)
    view = MaskView.from_mask(MASK, CAMERA, depth.astype(np.float32))
    return fuse_depth(view, PIXELS, predicted, predicted + 0.1, error, EXTENT)


def test_measured_depth_replaces_the_prediction():
    front, back = fuse(TRUE)
    inner = INSIDE > 2
    assert np.abs(front - TRUE[MASK])[inner].max() < 0.005
    assert (back > front).all()
    # the prediction's thickness of 0.1, in metres
    assert np.median(back - front) == pytest.approx(0.2, abs=0.04)


def test_holes_are_filled_by_the_prediction_where_it_was_moved_to_what_is_measured():
    holed = np.where((X > 20) & (X < 34), np.nan, TRUE)
    front, _ = fuse(holed)
    hole = (PIXELS[:, 0] > 20) & (PIXELS[:, 0] < 34)
    assert np.abs(front - TRUE[MASK])[hole].max() < 0.08


def test_values_far_from_the_prediction_are_not_believed():
    wall = np.where(X > 40, TRUE + 1.5, TRUE)
    front, _ = fuse(wall)
    assert front.max() < 2.3


@pytest.mark.parametrize("depth", [np.full_like(X, np.nan), -TRUE])
def test_a_map_that_says_too_little_is_not_used(depth):
    assert fuse(depth) is None
