"""Clipping, tidying, suppression and the cache, against values worked out by hand."""

import numpy as np
import pytest

from workers.engines.concepts.appearance import bins_of, histogram, part_similarity, similarity
from workers.engines.concepts.handles import EmbeddedImage, HandleCache
from workers.engines.concepts.masks import clip_mask, tidy
from workers.engines.concepts.mobilesam import VIEW_BYTES
from workers.engines.concepts.picodet import Detection, suppress
from workers.engines.concepts.watershed import watershed
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou


def _rectangle(height: int, width: int, box: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_masks_are_clipped_with_a_margin() -> None:
    full = np.ones((20, 20), np.bool_)
    assert bounding_box(clip_mask(full, (5, 5, 15, 15), 0.0)) == (5, 5, 15, 15)
    assert bounding_box(clip_mask(full, (5, 5, 15, 15), 0.2)) == (3, 3, 17, 17)


def test_specks_and_pinholes_go_but_pointed_parts_and_large_holes_stay() -> None:
    mask = _rectangle(100, 100, (10, 10, 70, 70))
    mask[20, 20] = False
    mask[30:50, 30:50] = False
    mask[90:92, 90:92] = True
    cleaned = tidy(mask)
    assert cleaned[20, 20] and not cleaned[40, 40] and not cleaned[90:92, 90:92].any()
    assert tidy(mask, np.array([[91.0, 91.0]]))[90:92, 90:92].all()


def test_suppression_keeps_the_best_box_of_each_object_and_class() -> None:
    best = Detection("cat", 0.9, (0, 0, 100, 100))
    again = Detection("cat", 0.8, (5, 5, 105, 105))
    inside = Detection("cat", 0.7, (10, 10, 50, 60))
    dog = Detection("dog", 0.6, (0, 0, 100, 100))
    apart = Detection("cat", 0.3, (200, 0, 300, 100))
    assert suppress([apart, inside, dog, again, best]) == [best, dog, apart]


def test_the_cache_lets_the_oldest_go_by_bytes() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    one = EmbeddedImage(image).nbytes
    assert one == image.nbytes + 2 * VIEW_BYTES
    cache = HandleCache(2 * one)
    first, second, third = EmbeddedImage(image), EmbeddedImage(image), EmbeddedImage(image)
    cache.put("1", first)
    cache.put("2", second)
    assert cache.get("1") is first
    cache.put("3", third)
    assert cache.get("2") is None and cache.get("1") is first and cache.get("3") is third
    assert cache.nbytes <= 2 * one


def test_one_handle_larger_than_the_cap_is_still_kept() -> None:
    cache = HandleCache(1)
    cache.put("1", EmbeddedImage(np.zeros((8, 8, 3), np.uint8)))
    assert cache.get("1") is not None and len(cache) == 1


def test_looks_tell_colours_apart_and_know_parts() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20], image[:, 20:] = (220, 30, 30), (30, 30, 220)
    bins = bins_of(image)
    left, right = _rectangle(20, 40, (0, 0, 20, 20)), _rectangle(20, 40, (20, 0, 40, 20))
    red, blue, both = histogram(bins, left), histogram(bins, right), histogram(bins, left | right)
    assert float(red.sum()) == pytest.approx(1, abs=1e-5)
    assert similarity(red, red) == pytest.approx(1, abs=1e-5)
    assert similarity(red, blue) < 0.05
    assert part_similarity(both, red, 0.5) == pytest.approx(1, abs=1e-5)
    assert part_similarity(blue, red, 0.5) < 0.05
    assert float(histogram(bins, np.zeros((20, 40), np.bool_)).sum()) == 0


def test_the_watershed_finds_a_flat_shape_on_a_flat_ground() -> None:
    image = np.full((80, 100, 3), 200, np.uint8)
    truth = _rectangle(80, 100, (30, 20, 70, 60))
    image[truth] = (40, 60, 90)
    none = np.zeros((0, 2)), np.zeros(0, np.int64)
    assert mask_iou(watershed(image, (25, 15, 75, 65), *none), truth) > 0.9
    clicked = watershed(image, None, np.array([[50.5, 40.5], [10.5, 10.5]]), np.array([1, 0]))
    assert mask_iou(clicked, truth) > 0.9
