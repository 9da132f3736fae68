"""The fallback without weights."""

import numpy as np

from workers.engines.concepts.images.watershed import watershed
from workers.geometry.overlap import mask_iou


def test_the_watershed_finds_a_flat_shape_on_a_flat_background() -> None:
    image = np.full((80, 100, 3), 200, np.uint8)
    truth = np.zeros((80, 100), np.bool_)
    truth[20:60, 30:70] = True
    image[truth] = (40, 60, 90)
    none = np.zeros((0, 2)), np.zeros(0, np.int64)
    assert mask_iou(watershed(image, (25, 15, 75, 65), *none), truth) > 0.9
    by_points = watershed(image, None, np.array([[50.5, 40.5], [10.5, 10.5]]), np.array([1, 0]))
    assert mask_iou(by_points, truth) > 0.9
