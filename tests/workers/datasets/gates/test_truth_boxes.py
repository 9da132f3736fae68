"""How tracks are compared with hand-checked boxes: each kind of error counts as what it is."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bench.datasets.truth_boxes import (
    FOLDER,
    TrackBoxes,
    TruthVideo,
    compare,
    count_false_rejections,
    decide_objects,
    read_truth,
)
from workers.engines.protocols import Box

FRAMES = tuple(range(0, 60, 10))


def stand(x: float, frames: tuple[int, ...] = FRAMES) -> dict[int, Box]:
    return dict.fromkeys(frames, (x, 0.0, x + 10, 20.0))


def track(boxes: Mapping[int, Box], *failed: str, label: str = "person") -> TrackBoxes:
    return TrackBoxes(label=label, boxes=boxes, failed=failed)


TRUTH = TruthVideo(
    video="v",
    sha256=None,
    rate=30.0,
    first=0,
    frames=FRAMES,
    boxes={("person", 1): stand(0), ("person", 2): stand(100)},
    ignored={50: ((200.0, 0.0, 300.0, 50.0),)},
)
PERFECT = [track(stand(0)), track(stand(100))]


def test_perfect_tracks_have_full_marks() -> None:
    scores = compare(TRUTH, PERFECT)
    assert (scores.idf1, scores.found, scores.good, scores.switches, scores.merges) == (1.0, 2, 2, 0, 0)


def test_frames_between_those_of_the_truth_do_not_count() -> None:
    assert compare(TRUTH, [*PERFECT, track(stand(500, (7, 13)))]).idf1 == 1.0


@pytest.mark.parametrize(
    ("tracks", "idf1", "found", "good", "switches", "merges"),
    [
        ([track(stand(0))], 12 / 18, 1, 1, 0, 0),
        ([*PERFECT, track(stand(300))], 24 / 30, 2, 2, 0, 0),
        ([*PERFECT, track(stand(0), label="dog")], 24 / 30, 2, 2, 0, 0),
        # the first is shown by two tracks, one after the other
        ([track(stand(0, FRAMES[:3])), track(stand(0, FRAMES[3:])), PERFECT[1]], 18 / 24, 2, 3, 1, 0),
        # one track goes on with the other object
        ([track({**stand(0, FRAMES[:3]), **stand(100, FRAMES[3:])})], 6 / 18, 2, 0, 0, 1),
        ([], 0.0, 0, 0, 0, 0),
    ],
)
def test_each_error_counts_as_what_it_is(
    tracks: list[TrackBoxes], idf1: float, found: int, good: int, switches: int, merges: int
) -> None:
    scores = compare(TRUTH, tracks)
    assert scores.idf1 == pytest.approx(idf1)
    assert (scores.found, scores.good, scores.switches, scores.merges) == (found, good, switches, merges)


def test_ignored_regions_hold_nothing_against_a_track() -> None:
    hidden = track({50: (210.0, 0.0, 220.0, 20.0)})
    assert compare(TRUTH, [*PERFECT, hidden]).idf1 == 1.0


def test_false_rejections_are_those_of_good_tracks() -> None:
    tracks = [track(stand(0), "flicker", "area"), track(stand(300), "flicker"), track(stand(100), "area")]
    assert count_false_rejections(TRUTH, tracks) == {"flicker": 1, "area": 2}


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_annotations_are_sound(name: str) -> None:
    truth = read_truth(name)
    assert truth.boxes and truth.frames == tuple(range(truth.first, truth.frames[-1] + 1, 10))
    for boxes in truth.boxes.values():
        assert boxes and set(boxes) <= set(truth.frames)
        assert all(x0 < x1 and y0 < y1 and min(x0, y0) >= 0 for x0, y0, x1, y1 in boxes.values())


def test_an_object_is_decided_by_its_longest_good_track() -> None:
    short, mixed = stand(0, FRAMES[:2]), stand(0, FRAMES[:3]) | stand(100, FRAMES[3:])
    tracks = [track(short, "length"), track(stand(0), "flicker"), track(mixed)]
    assert decide_objects(TRUTH, tracks) == {("person", 1): frozenset({"flicker"})}
    assert decide_objects(TRUTH, []) == {}


def test_an_object_inside_an_ignored_region_counts_once_on_either_side() -> None:
    """Its box is judged, so IDF1 is 1 and not more."""
    hidden = replace(TRUTH, ignored={10: ((0.0, 0.0, 200.0, 50.0),)})
    assert compare(hidden, PERFECT).idf1 == 1.0
