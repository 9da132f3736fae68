"""How certain a frame leaves the identity of tracks: their margins."""

import numpy as np
import pytest

from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.tracking.association import match_detections, measure_margins, measure_merged
from workers.engines.concepts.tracking.config import AssociationConfig
from workers.engines.concepts.tracking.state import Track
from workers.engines.concepts.tracking.track_update import start_track
from workers.engines.protocols import Box

CLASSES = {0: ("person",), 1: ("car",)}


def track(number: int, box: Box, prompt: int = 0, label: str | None = "person") -> Track:
    mask = np.zeros((60, 100), np.uint8)
    x0, y0, x1, y1 = (int(value) for value in box)
    mask[y0:y1, x0:x1] = 255
    bins = np.zeros(mask.shape, np.int32)
    return start_track(number, mask, bins, prompt=prompt, label=label, score=0.9, frame=0, interval=5)


def measure(tracks: list[Track], *boxes: Box, label: str = "person") -> list[float | None]:
    detections = [Detection(label, 0.9, box) for box in boxes]
    matches = match_detections(tracks, detections, CLASSES, AssociationConfig())
    return measure_margins(tracks, detections, CLASSES, matches)


LEFT, RIGHT, BETWEEN = (10, 10, 20, 40), (60, 10, 70, 40), (14, 10, 24, 40)


def test_those_who_stand_apart_are_certain() -> None:
    assert measure([track(1, LEFT), track(2, RIGHT)], LEFT, RIGHT) == [1.0, 1.0]


def test_two_tracks_on_one_detection_are_both_in_doubt() -> None:
    """One detection for two who overlap: it is the first one's, and hardly more so than the other's."""
    own, other = measure([track(1, LEFT), track(2, BETWEEN)], (11, 10, 21, 40))
    assert own == pytest.approx(9 / 11 - 7 / 13) and other == pytest.approx(-7 / 13)


def test_two_detections_on_one_track_leave_it_in_doubt() -> None:
    [margin] = measure([track(1, LEFT)], (12, 10, 22, 40), (8, 10, 18, 40))
    assert margin == pytest.approx(0)


def test_a_track_that_nothing_confirms_is_in_doubt() -> None:
    assert measure([track(1, LEFT)]) == [0] == measure([track(1, LEFT)], RIGHT)


def test_other_classes_and_prompts_do_not_compete() -> None:
    assert measure([track(1, LEFT), track(2, LEFT, prompt=1, label="car")], LEFT)[0] == 1.0


def test_objects_that_a_user_named_have_no_margin() -> None:
    assert measure([track(1, LEFT, label=None)], LEFT) == [None]


def measure_division(tracks: list[Track], *boxes: Box, label: str = "person") -> list[float | None]:
    detections = [Detection(label, 0.9, box) for box in boxes]
    return measure_merged(tracks, detections, CLASSES, AssociationConfig())


BOTH, ITS_LEFT, ITS_RIGHT = (10, 10, 30, 40), (10, 10, 20, 40), (18, 10, 30, 40)


def test_one_mask_over_two_is_divided_by_their_detections() -> None:
    """Of its 20 columns, 8 are the left one's alone and 10 the right one's."""
    assert measure_division([track(1, BOTH)], ITS_LEFT, ITS_RIGHT) == [pytest.approx(0.4)]


def test_one_detection_of_all_or_of_a_part_divides_nothing() -> None:
    assert measure_division([track(1, BOTH)], BOTH) == [0] == measure_division([track(1, BOTH)], ITS_LEFT)
    assert measure_division([track(1, BOTH)], BOTH, ITS_LEFT) == [0] == measure_division([track(1, BOTH)])


def test_a_detection_of_all_of_it_and_more_divides_nothing() -> None:
    assert measure_division([track(1, BOTH)], (10, 10, 27, 40), (10, 10, 30, 56)) == [0]


def test_someone_beside_a_mask_does_not_divide_it() -> None:
    assert measure_division([track(1, LEFT), track(2, BETWEEN)], LEFT, (19, 10, 40, 40))[0] == 0


def test_other_classes_and_objects_that_a_user_named_are_not_divided() -> None:
    assert measure_division([track(1, BOTH)], ITS_LEFT, ITS_RIGHT, label="car") == [0]
    assert measure_division([track(1, BOTH, label=None)], ITS_LEFT, ITS_RIGHT) == [None]
