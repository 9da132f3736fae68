"""Ids stay with people when their masks change places, and results wait no longer than they have to.

The tracker's masks are scripted: a strand is a chain of masks, and where two people meet it goes on with the
other one, as masks and detections do in crowds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from workers.engines.concepts.images.color_histograms import color_histogram, quantize_colors
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.held_results import release_all
from workers.engines.concepts.tracking.identification import identify_objects
from workers.engines.concepts.tracking.snapshot import dump_state, load_state
from workers.engines.concepts.tracking.state import Track, TrackerState
from workers.engines.protocols import FrameResult, VideoFrame

HEIGHT, WIDTH = 60, 160
BLACK, BLUE, RED, BEIGE = (25, 25, 28), (60, 80, 140), (190, 50, 45), (180, 160, 130)
# jacket and trousers
ANNA, BERT = (BLACK, BLUE), (RED, BEIGE)
RATES = pytest.mark.parametrize("rate", [30.0, 15.0, 6.0])
SECONDS = 4.0
CONFIG = TrackerConfig()

Clothes = tuple[tuple[int, int, int], tuple[int, int, int]]
# a person: clothes, and the left edge by the time in seconds
Walk = tuple[Clothes, Callable[[float], float]]
# by strand, the person that it shows at a time, None where it shows nobody
Shown = Callable[[float], int | None]


def go(start: float, speed: float) -> Callable[[float], float]:
    """Someone who walks along the image, in pixels and pixels per second."""
    return lambda time: start + speed * time


# they meet after two seconds, in the middle of the image
MEETING: Mapping[int, Walk] = {1: (ANNA, go(20, 30)), 2: (BERT, go(130, -25))}


@dataclass
class Scripted:
    """A tracker whose masks are scripted; `answers` are its results in the order in which they were final.

    `waited` has for each frame how many frames later its result came.
    """

    walks: Mapping[int, Walk]
    strands: Mapping[int, Shown]
    rate: float = 15.0
    label: str | None = "person"
    has_times: bool = True
    margins: Callable[[int, float], float | None] = lambda strand, time: 0.6
    removed: Sequence[int] = ()
    state: TrackerState = field(init=False)
    answers: list[FrameResult] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = TrackerState(
            frames=0,
            last_key_frame=0,
            next_id=len(self.strands) + 1,
            size=(HEIGHT, WIDTH),
            flow_image=np.zeros((8, 8, 3), np.uint8),
            tracks=[],
            removed=list(self.removed),
        )

    def run(self, first: int = 0, last: int | None = None) -> list[FrameResult]:
        """Take the frames of the clip, or a part of it."""
        stop = round(SECONDS * self.rate) if last is None else last
        for index in range(first, stop):
            self.step(index)
        if last is None:
            self.answers += release_all(self.state)
        return self.answers

    def step(self, index: int) -> None:
        """Take a frame."""
        time = index / self.rate
        image, people = self._draw(time)
        for strand, shown in self.strands.items():
            self._move(strand, people, shown(time), image, time)
        frame = VideoFrame(index, index, image, time if self.has_times else None)
        final = identify_objects(self.state, frame, image, CONFIG)
        self.answers += final
        self.waited += [index - item.index for item in final]
        self.state.frames += 1

    def _draw(self, time: float) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        image = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
        people = {}
        for number, (clothes, path) in self.walks.items():
            x = round(path(time))
            image[15:30, max(x, 0) : x + 12], image[30:45, max(x, 0) : x + 12] = clothes
            soft = np.zeros((HEIGHT, WIDTH), np.uint8)
            soft[15:45, max(x, 0) : x + 12] = 255
            people[number] = soft
        return image, people

    def _move(
        self, strand: int, people: Mapping[int, np.ndarray], shown: int | None, image: np.ndarray, time: float
    ) -> None:
        track = next((item for item in self.state.tracks if item.strand == strand), None)
        soft = None if shown is None else people[shown]
        if soft is None or not soft.any():
            if track is not None and not track.is_lost:
                track.lost_at = self.state.frames
            return
        if track is None:
            bins = quantize_colors(image)
            track = Track(
                id=strand,
                strand=strand,
                prompt=0,
                label=self.label,
                score=1.0,
                amodal=soft,
                visible=soft,
                histogram=color_histogram(bins, soft > 0),
                area=360.0,
                corrected_at=0,
                interval=5,
            )
            self.state.tracks.append(track)
        track.amodal = track.visible = soft
        track.lost_at, track.margin = -1, self.margins(strand, time)


def exchange_at(moment: float, first: int, then: int) -> Shown:
    return lambda time: first if time < moment else then


def exchanged(rate: float = 15.0, **options: object) -> Scripted:
    """Two people who meet, and whose masks change places there."""
    strands = {1: exchange_at(2.0, 1, 2), 2: exchange_at(2.0, 2, 1)}
    return Scripted(MEETING, strands, rate, **options)  # type: ignore[arg-type]


def name_people(
    answers: Sequence[FrameResult], walks: Mapping[int, Walk], rate: float
) -> list[dict[int, int]]:
    """By frame, the id of each person: of whom the middle of the box shows."""
    out = []
    for result in answers:
        places = {number: path(result.index / rate) for number, (_, path) in walks.items()}
        named = {}
        for item in result.objects:
            nearest = min(places, key=lambda number: abs(places[number] - item.box[0]))
            named[nearest] = item.id
        out.append(named)
    return out


def name_apart(answers: Sequence[FrameResult], rate: float) -> list[dict[int, int]]:
    """The same for the frames of the meeting in which the two do not cover each other."""
    named = name_people(answers, MEETING, rate)
    (_, first), (_, second) = MEETING.values()
    gaps = [abs(first(item.index / rate) - second(item.index / rate)) for item in answers]
    return [names for names, gap in zip(named, gaps, strict=True) if gap > 14]


@RATES
def test_ids_stay_with_people_whose_masks_change_places(rate: float) -> None:
    scripted = exchanged(rate)
    answers = scripted.run()
    assert [item.index for item in answers] == list(range(round(SECONDS * rate)))
    names = name_apart(answers, rate)
    assert names == [{1: 1, 2: 2}] * len(names) and len(names) > 0.6 * len(answers)


@RATES
def test_who_is_in_doubt_for_longer_takes_nothing_from_who_is_known(rate: float) -> None:
    """The second strand competes for a detection for a second more: it has nobody else's id meanwhile."""

    def margins(strand: int, time: float) -> float:
        return 0.05 if strand == 2 and 1.9 <= time < 3.1 else 0.6

    answers = exchanged(rate, margins=margins).run()
    assert all(len({item.id for item in result.objects}) == len(result.objects) for result in answers)
    names = name_apart(answers, rate)
    assert names == [{1: 1, 2: 2}] * len(names)


@RATES
def test_ids_stay_with_people_whose_masks_do_not(rate: float) -> None:
    scripted = Scripted(MEETING, {1: lambda _: 1, 2: lambda _: 2}, rate)
    answers = scripted.run()
    assert all(named == {1: 1, 2: 2} for named in name_apart(answers, rate))
    assert not any("identity_uncertain" in item.flags for result in answers for item in result.objects)


def test_the_frames_between_two_people_are_uncertain_and_no_others() -> None:
    scripted = exchanged()
    flagged = [
        result.index / scripted.rate
        for result in scripted.run()
        if any("identity_uncertain" in item.flags for item in result.objects)
    ]
    assert 1.5 < min(flagged) < 2.0 < max(flagged) < 2.5


def test_masks_are_the_same_however_long_they_wait() -> None:
    waited, straight = exchanged(), exchanged(has_times=False)
    for one, two in zip(waited.run(), straight.run(), strict=True):
        masks = [sorted(item.mask.tobytes() for item in result.objects) for result in (one, two)]
        assert masks[0] == masks[1]


def test_without_times_nothing_waits_and_strands_keep_their_ids() -> None:
    scripted = exchanged(has_times=False)
    answers = scripted.run()
    assert name_people(answers, MEETING, scripted.rate)[-1] == {1: 2, 2: 1}
    assert set(scripted.waited) == {0}


def test_objects_of_visual_prompts_keep_their_ids_and_do_not_wait() -> None:
    scripted = exchanged(label=None)
    answers = scripted.run()
    assert name_people(answers, MEETING, scripted.rate)[-1] == {1: 2, 2: 1}
    assert set(scripted.waited) == {0}


def test_results_wait_while_ids_are_in_doubt_and_two_seconds_at_most() -> None:
    """Two who go on arm in arm are in doubt for ever."""
    walks = {1: (ANNA, go(20, 20)), 2: (BERT, go(24, 20))}
    scripted = Scripted(walks, {1: lambda _: 1, 2: lambda _: 2}, 15.0)
    scripted.run()
    assert max(scripted.waited) == 30
    alone = Scripted({1: MEETING[1]}, {1: lambda _: 1}, 15.0)
    alone.run()
    assert set(alone.waited[8:]) == {0}


@RATES
def test_one_who_is_lost_and_found_as_another_has_his_id_again(rate: float) -> None:
    """The mask of a new strand appears where the lost one was heading."""
    walks = {1: (ANNA, go(10, 30))}
    strands: dict[int, Shown] = {
        1: lambda time: 1 if time < 1.5 else None,
        2: lambda time: 1 if time >= 2.3 else None,
    }
    scripted = Scripted(walks, strands, rate)
    assert {item.id for result in scripted.run() for item in result.objects} == {1}
    assert [track.strand for track in scripted.state.tracks] == [2]


# he was heading for the right, and where he was somebody else comes from the left
OTHERS: Mapping[int, Walk] = {1: (ANNA, go(10, 30)), 2: (BERT, go(120, -25))}


def test_someone_else_does_not_get_the_id_of_one_who_is_lost() -> None:
    strands: dict[int, Shown] = {1: lambda time: None if time >= 1.5 else 1}
    strands[2] = lambda time: 2 if time >= 2.3 else None
    assert {item.id for item in Scripted(OTHERS, strands).run()[-1].objects} == {2}


def test_a_mask_that_is_found_again_on_someone_else_gets_a_new_id() -> None:
    strand: Shown = lambda time: 1 if time < 1.5 else None if time < 2.3 else 2  # noqa: E731
    named = name_people(Scripted(OTHERS, {1: strand}).run(), OTHERS, 15.0)
    assert named[0] == {1: 1} and named[-1] == {2: 2}
    # what the user has removed does not come back under another id
    assert not any(result.objects for result in Scripted(OTHERS, {1: strand}, removed=[1]).run())


@pytest.mark.parametrize("at", [3, 26, 33, 41])
def test_a_snapshot_goes_on_bit_for_bit(at: int) -> None:
    """Before the meeting, in it, while results wait for ids, and afterwards."""
    whole, first = exchanged(), exchanged()
    first.run(0, at)
    data = dump_state(first.state, {})
    again = exchanged()
    again.state = load_state(data, {})
    assert dump_state(again.state, {}) == data
    whole.run()
    answers = [*first.answers, *again.run(at)]
    for one, two in zip(whole.answers, answers, strict=True):
        assert [(item.id, item.flags, item.mask.tobytes()) for item in one.objects] == [
            (item.id, item.flags, item.mask.tobytes()) for item in two.objects
        ]
    assert dump_state(again.state, {}) == dump_state(whole.state, {})


def test_what_is_remembered_does_not_grow_with_the_video() -> None:
    """Somebody new comes every second, for a minute."""
    people: dict[int, Walk] = {
        number: (((4 * number, 90, 255 - 4 * number), BLUE), go(10 - 40 * number, 40)) for number in range(60)
    }
    strands = {number + 1: come_at(number) for number in people}
    scripted = Scripted(people, strands, 6.0)
    sizes = []
    for index in range(360):
        scripted.step(index)
        known = scripted.state.identities
        sizes.append(
            (len(known.endings), sum(strand.stretch is not None for strand in known.strands.values()))
        )
    assert max(endings for endings, _ in sizes) <= 14 and max(stretches for _, stretches in sizes) <= 3


def come_at(number: int) -> Shown:
    """Whom a strand shows that begins with the second of that number and ends before the next one."""
    return lambda time: number if number <= time < number + 0.9 else None
