"""A mask that changes for one frame alone flickers where the image shows the same, and only there."""

import numpy as np
import pytest

from workers.datasets.gates.mask_changes import MaskChange, compare_masks, find_explained, measure_flicker

SIDE = 40
STILL = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=2).astype(np.float32)


def compare(*, other_image: slice) -> MaskChange:
    """A square loses its right half in the middle frame, in which the image differs in some columns."""
    square = np.zeros((SIDE, SIDE), np.bool_)
    square[10:30, 10:30] = True
    half = square & (np.arange(SIDE) < 20)
    wall = np.full((SIDE, SIDE), 90, np.uint8)
    middle = wall.copy()
    middle[:, other_image] = 200
    explained = find_explained(wall, middle, wall, STILL, STILL)
    return compare_masks(square, half, square, STILL, STILL, explained)


def test_a_half_that_is_lost_counts_where_the_image_is_the_same() -> None:
    change = compare(other_image=slice(0, 0))
    assert change == MaskChange(200, 1.0, 200)
    assert measure_flicker([change]) == pytest.approx(1 / 1.1)


def test_a_half_that_is_lost_where_the_image_changes_counts_neither_way() -> None:
    change = compare(other_image=slice(18, SIDE))
    assert change.flips == 0 and 0 < change.compared < 0.5
    assert measure_flicker([change]) == 0


def test_flicker_is_unknown_where_nothing_can_be_compared() -> None:
    assert measure_flicker([compare(other_image=slice(0, SIDE))]) is None
    assert measure_flicker([]) is None
