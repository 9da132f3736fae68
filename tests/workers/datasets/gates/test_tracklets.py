"""A track is divided where its identity was in doubt and someone else goes on with its id."""

import numpy as np
import pytest

from tests.support.scripted_tracks import Clothes, Scene, describe_clothes, script_clip
from workers.datasets.regrouped_tracks import regroup_tracks
from workers.engines.concepts.identity.half_histograms import describe_halves

BLACK, BLUE, BEIGE, RED = (25, 25, 28), (60, 80, 140), (180, 160, 130), (190, 50, 45)
IN_JEANS: Clothes = (BLACK, BLUE)
IN_BLACK: Clothes = (BLACK, BLACK)
RATES = pytest.mark.parametrize("rate", [30.0, 15.0, 6.0])


def divide(*scenes: Scene, rate: float = 15.0, compared: bool = True) -> list[tuple[float, float]]:
    """The first and last second of each track that one becomes."""
    clip, times = script_clip({1: scenes}, rate, 4.0, compared)
    return [
        (times[own.frames[0]], times[own.frames[-1]]) for own in regroup_tracks(clip, times).stats.values()
    ]


def meet(after: Clothes, *, stop: float = 4.0) -> tuple[Scene, Scene, Scene]:
    """Someone in jeans, half a second of doubt, and then someone."""
    return (
        Scene(start=0, stop=1.5, clothes=IN_JEANS),
        Scene(start=1.5, stop=2.0, clothes=IN_JEANS, doubtful=True),
        Scene(start=2.0, stop=stop, clothes=after),
    )


@RATES
def test_another_one_after_a_doubt_is_another_tracklet_and_the_doubt_belongs_to_neither(rate: float) -> None:
    """Both wear black jackets: only the trousers say that it is someone else."""
    (first, end), (start, last) = divide(*meet(IN_BLACK), rate=rate)
    assert first == 0 and last == pytest.approx(4.0 - 1 / rate)
    assert end < 1.5 and start >= 2.0


@RATES
def test_the_same_one_after_a_doubt_stays_one_track(rate: float) -> None:
    assert divide(*meet(IN_JEANS), rate=rate) == [(0.0, 4.0 - 1 / rate)]


def test_a_change_of_appearance_without_a_doubt_divides_nothing() -> None:
    """Somebody turns round or comes out of the shade."""
    scenes = Scene(start=0, stop=2, clothes=IN_JEANS), Scene(start=2, stop=4, clothes=(BEIGE, BLUE))
    assert len(divide(*scenes)) == 1


def test_an_engine_that_does_not_compare_divides_nothing() -> None:
    assert len(divide(*meet(IN_BLACK), compared=False)) == 1


def test_a_glimpse_after_a_doubt_is_too_little_to_say_who_it_is() -> None:
    assert len(divide(*meet(IN_BLACK, stop=2.4))) == 1


@pytest.mark.parametrize("gap, pieces", [(0.1, 1), (0.6, 2)])
def test_one_who_is_found_again_after_a_gap_is_compared_as_after_a_doubt(gap: float, pieces: int) -> None:
    scenes = Scene(start=0, stop=2, clothes=IN_JEANS), Scene(start=2 + gap, stop=4, clothes=IN_BLACK)
    assert len(divide(*scenes, rate=30.0)) == pieces


def test_halves_are_alike_in_other_light_and_differ_in_other_clothes() -> None:
    def compare(one: Clothes, other: Clothes) -> float:
        return float(np.sqrt(describe_clothes(one).astype(float) * describe_clothes(other)).sum())

    brighter = (35, 35, 38), (70, 90, 150)
    assert describe_clothes(IN_JEANS).sum(dtype=float) == pytest.approx(1, abs=1e-3)
    assert compare(IN_JEANS, brighter) > 0.87 > compare(IN_JEANS, IN_BLACK)
    assert compare((RED, BLUE), (BLUE, RED)) < 0.1


def test_a_mask_of_one_row_has_an_appearance() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[2, 1:3] = True
    assert describe_halves(np.full((4, 4, 3), 90, np.uint8), mask).sum(dtype=float) == pytest.approx(
        1, abs=1e-3
    )
