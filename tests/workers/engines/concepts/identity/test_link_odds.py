"""The odds that two parts of tracks show one object: what speaks for it, and what does not matter."""

import numpy as np
import pytest

from workers.engines.concepts.identity.link_odds import End, compare_appearance, compare_motion


def end(time: float, x: float, speed: float, scale: float = 1.0) -> End:
    """Someone 25 pixels tall who walks along the image, in an image enlarged by `scale`."""
    center, velocity = np.array([scale * x, 0.0]), np.array([scale * speed, 0.0])
    return End(time=time, center=center, velocity=velocity, size=25 * scale, on_border=False)


def test_who_walks_on_is_likelier_than_who_turned_round() -> None:
    """Each is found where its velocities before and after lead: only how it walks differs."""
    before = end(0, 0, 20)
    walked_on, turned_round = compare_motion(before, end(3, 60, 20)), compare_motion(before, end(3, 0, -20))
    assert walked_on > turned_round + np.log(10)


def test_who_is_found_further_off_his_course_is_less_likely() -> None:
    odds = [compare_motion(end(0, 0, 20), end(1, x, 20)) for x in (20, 40, 60, 80)]
    assert odds == sorted(odds, reverse=True)
    assert odds[0] > 0 > odds[-1]


def test_a_longer_absence_leaves_less_certain_where_he_is() -> None:
    odds = [compare_motion(end(0, 0, 20), end(gap, 20 * gap, 20)) for gap in (0.5, 1, 2, 4, 8)]
    assert odds == sorted(odds, reverse=True)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_size_of_the_image_does_not_matter(scale: float) -> None:
    one = compare_motion(end(0, 0, 20), end(2, 50, 10))
    assert compare_motion(end(0, 0, 20, scale), end(2, 50, 10, scale)) == pytest.approx(one)


def test_more_alike_is_never_less_likely_and_no_colour_is_proof() -> None:
    odds = [compare_appearance(value) for value in np.linspace(0, 1, 101)]
    assert odds == sorted(odds)
    assert np.exp(-odds[0]) < 100 and np.exp(odds[-1]) < 100
    assert compare_appearance(0.8) < 0 < compare_appearance(0.9)
