"""A track that begins or ends in the middle of the image for no known reason says so."""

import pytest

from tests.support.scripted_tracks import Clothes, Scene, script_clip
from workers.datasets.gates.track_scores import BREAK_AT, score_tracks

GREEN: Clothes = ((40, 120, 60), (60, 60, 60))


@pytest.mark.parametrize("rate", [30.0, 15.0, 6.0])
@pytest.mark.parametrize(
    ("start", "stop", "cut", "moments"),
    [
        (0.0, 6.0, False, []),
        (0.0, 3.0, False, [3.0]),
        (2.0, 6.0, False, [2.0]),
        (2.0, 4.0, False, [2.0, 4.0]),
        (2.0, 4.0, True, []),
        # too near to the ends of the clip to say that it was not there
        (0.3, 5.7, False, []),
    ],
)
def test_a_break_is_where_a_track_begins_or_ends_inside_the_image(
    rate: float, start: float, stop: float, cut: bool, moments: list[float]
) -> None:
    scene = Scene(start=start, stop=stop, clothes=GREEN, cut=cut)
    clip, times = script_clip({1: (scene,)}, rate, 6.0)
    rows = score_tracks("clip", clip.stats, 200 * 400, times)[1]
    found = [row.value for row in rows if row.name == BREAK_AT]
    assert found == pytest.approx(moments, abs=1 / rate + 1e-6)
