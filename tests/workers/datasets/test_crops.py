"""Crops are the best views of a track spread over the clip, also of a track that is divided afterwards."""

import numpy as np
import pytest

from workers.datasets.appearance.crops import CropSelector


def offer_views(frames: int, rate: float, count: int) -> CropSelector:
    """A track whose views become better and better."""
    selector = CropSelector(count, frames, 1 / rate)
    for frame in range(frames):
        selector.offer(1, frame, np.zeros((32, 32, 3), np.uint8), (8, 8, 24, 24), 0.5, 100 + frame, ())
    return selector


def test_there_is_one_view_from_each_part_of_a_clip_the_best_first() -> None:
    selector = offer_views(40, 10.0, 4)
    assert [crop.frame for crop in selector.select(selector.views[1])] == [39, 29, 19, 9]


@pytest.mark.parametrize("rate", [30.0, 15.0, 10.0, 6.0])
def test_every_part_of_a_divided_track_has_a_view_of_its_own(rate: float) -> None:
    """Parts last 0.6 s or more; the best views of the clip are elsewhere."""
    frames = round(5 * rate)
    selector = offer_views(frames, rate, 3)
    length = round(0.6 * rate) + 1
    for first in range(frames - length):
        part = [crop for crop in selector.views[1] if first <= crop.frame < first + length]
        assert selector.select(part)


def test_no_views_are_kept_where_none_are_asked_for() -> None:
    assert offer_views(10, 10.0, 0).views == {}
