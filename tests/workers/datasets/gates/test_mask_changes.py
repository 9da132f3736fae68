"""Masks change by mistake where the image shows the same, and only there."""

import cv2
import numpy as np
import pytest

from workers.datasets.gates.mask_changes import MaskChange, compare_masks, find_explained, measure_flicker
from workers.datasets.gates.scores3d import score_track_3d
from workers.datasets.gates.track_metrics import TrackedMask, TrackMetrics
from workers.datasets.observations import TrackObservation
from workers.formats.rle import encode_mask

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


def measure_size_steps(*, image_changes: bool) -> float:
    """The size constancy of a square that is twice as wide from the sixth frame on, in the image or not."""
    rng = np.random.default_rng(0)
    wall = cv2.GaussianBlur(rng.integers(0, 120, (96, 128, 3), np.uint8), (5, 5), 0)
    thing = cv2.GaussianBlur(rng.integers(150, 255, (96, 128, 3), np.uint8), (5, 5), 0)
    metrics, observations = TrackMetrics(), []
    for frame in range(10):
        mask, shown = np.zeros((96, 128), np.bool_), np.zeros((96, 128), np.bool_)
        mask[30:60, 40 : 70 if frame < 5 else 100] = True
        shown[30:60, 40 : 100 if image_changes and frame >= 5 else 70] = True
        metrics.add(frame, np.where(shown[..., None], thing, wall), {1: TrackedMask(mask, (0, 0, 1, 1), 0)})
        observations.append(
            TrackObservation(
                frame=frame, box=(0, 0, 1, 1), score=1.0, mask=encode_mask(mask),
                area=int(mask.sum()), depth=None, points=None, flags=(),
            )
        )  # fmt: skip
    rows = score_track_3d("c", 1, observations, {}, metrics.stats[1].growths)
    (value,) = (row.value for row in rows if row.name == "size_constancy")
    assert value is not None
    return value


def test_a_mask_that_spreads_over_a_still_wall_changes_its_size() -> None:
    """It doubles: 0.5 ln 2."""
    assert measure_size_steps(image_changes=False) == pytest.approx(0.35, abs=0.03)


def test_a_thing_that_unfolds_keeps_its_size() -> None:
    assert measure_size_steps(image_changes=True) < 0.15
