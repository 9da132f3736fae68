"""A mask that two detections divide lies over two objects: how often, and from when on."""

import pytest

from tests.support.scripted_tracks import Clothes, Scene, script_clip
from workers.datasets.gates.track_scores import MERGED_AT, score_tracks

GREEN: Clothes = ((40, 120, 60), (60, 60, 60))
# a key frame every 0.5 s
KEY = 0.5


def score(
    rate: float, *spans: tuple[float, float], compared: bool = True
) -> tuple[float | None, list[float]]:
    """The share and the moments of a track of 6 s whose mask is divided in some spans of seconds."""
    clip, times = script_clip({1: (Scene(start=0, stop=6, clothes=GREEN),)}, rate, 6.0)
    stats = clip.stats[1]
    for place, moment in enumerate(times):
        is_key = compared and round(moment * rate) % round(KEY * rate) == 0
        is_divided = any(start <= moment < stop for start, stop in spans)
        stats.merged[place] = (0.3 if is_divided else 0.02) if is_key else None
    rows = score_tracks("clip", clip.stats, 200 * 400, times)[1]
    [share] = [row.value for row in rows if row.name == "merged"]
    return share, [row.value for row in rows if row.name == MERGED_AT and row.value is not None]


@pytest.mark.parametrize("rate", [30.0, 6.0])
def test_the_share_of_comparisons_and_the_moments_at_which_two_come_under_a_mask(rate: float) -> None:
    share, moments = score(rate, (1.0, 2.5), (4.0, 4.5))
    assert share == pytest.approx(4 / 12) and moments == pytest.approx([1.0, 4.0])


def test_one_object_has_none_and_without_comparisons_nobody_knows() -> None:
    assert score(6.0) == (0.0, [])
    assert score(6.0, (1.0, 2.0), compared=False) == (None, [])
