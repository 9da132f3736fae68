"""Who is who after objects have covered each other, or were lost: ids follow the odds, frame by frame.

Where masks touch or detections compete, masks pass from one object to another, and so would ids. The tracker
therefore remembers how each object looked and moved when it was last seen for certain. Once a mask has been
certain again for long enough, it is asked with whom it goes on, by the same odds as the tracks of a dataset
(`identity/link_odds.py`), for all such masks together. Objects of visual prompts keep their ids.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from workers.engines.concepts.identity.certainty import (
    CERTAIN,
    LEAST_STRETCH,
    ROUNDING,
    SHORT_GAP,
    are_in_contact,
)
from workers.engines.concepts.identity.half_histograms import describe_halves
from workers.engines.concepts.identity.link_choice import choose_clear_links
from workers.engines.concepts.identity.link_odds import (
    COURSE,
    LONGEST_ABSENCE,
    Moment,
    describe_end,
    measure_odds,
)
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import IdentityConfig
from workers.engines.concepts.tracking.identity_state import Ending, IdentityState, Shares, Strand, Stretch
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Box, Rgb
from workers.geometry.borders import measure_border_contact
from workers.geometry.boxes import bounding_box


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settlement:
    """What is known now of a strand: since `start` (seconds of the clock) it shows the object `id`.

    Its doubt began at `since`. `before` is the end of the stretch before it, None for a new strand, and
    `look` the mean colours since `start`.
    """

    strand: int
    id: int
    since: float
    start: float
    before: Ending | None
    look: Shares


def advance_clock(state: IdentityState, time: float) -> None:
    """Take the time of the next frame in seconds of the video, which may go backwards."""
    if state.time is not None:
        state.interval = abs(time - state.time)
        state.clock += state.interval
    state.time = time


def observe_strands(
    state: IdentityState, tracks: Sequence[Track], work: Rgb, config: IdentityConfig
) -> set[int]:
    """Note the tracks of phrases that are in sight in a frame (h, w, 3); the strands that are in doubt.

    Strands that are missing for longer than a flicker end their stretches.
    """
    masks = {track.strand: track.visible_mask for track in tracks if track.label is not None}
    seen = {track.strand: track for track in tracks if track.strand in masks and masks[track.strand].any()}
    boxes = {strand: bounding_box(masks[strand]) for strand in seen}
    doubtful = _find_contacts(seen, boxes)
    for strand, track in seen.items():
        known = state.strands.get(strand)
        if known is None or state.clock - known.measured_at >= config.look_interval - ROUNDING:
            halves = describe_halves(work, masks[strand])
            known = known or Strand(
                prompt=track.prompt,
                seen_at=state.clock,
                measured_at=state.clock,
                halves=halves,
                since=state.clock,
            )
            state.strands[strand], known.halves, known.measured_at = known, halves, state.clock
            weight = mask_area(masks[strand])
        else:
            weight = 0
        if _is_gone(state, known):
            _end_stretch(state, known, track.id)
        if track.margin is not None:
            known.is_certain = track.margin >= CERTAIN
        if not known.is_certain:
            doubtful.add(strand)
        known.seen_at = state.clock
        if strand in doubtful:
            _end_stretch(state, known, track.id)
            known.since = state.clock if known.since is None else known.since
            continue
        on_border = measure_border_contact(masks[strand]) > 0
        _extend_stretch(known, Moment.of_box(state.clock, boxes[strand], on_border), weight)
    return doubtful


def forget_lost(state: IdentityState, tracks: Sequence[Track], config: IdentityConfig) -> None:
    """End the stretches of strands that are lost, and forget what is too old to go on with."""
    ids = {track.strand: track.id for track in tracks}
    for strand, known in list(state.strands.items()):
        if _is_gone(state, known):
            if strand in ids:
                _end_stretch(state, known, ids[strand])
            known.since = known.stretch = None
        if strand not in ids:
            del state.strands[strand]
    oldest = state.clock - LONGEST_ABSENCE - LEAST_STRETCH - config.hold_seconds
    kept = [item for item in state.endings if item.end.time >= oldest]
    state.endings = kept[-config.max_endings :]


def settle_strands(
    state: IdentityState, tracks: Sequence[Track], removed: Collection[int], take_id: Callable[[], int]
) -> list[Settlement]:
    """The strands of which it is known now with whom they go on; `take_id` gives an id that nobody has.

    One that goes on with nobody keeps its id, unless the odds are against its own past. What the user has
    `removed` keeps its id then, so that it does not come back.
    """
    own_ids = {track.strand: track.id for track in tracks}
    waiting = [
        strand
        for strand, known in state.strands.items()
        if strand in own_ids
        and known.stretch is not None
        and not known.stretch.is_settled
        and known.stretch.seconds >= LEAST_STRETCH - ROUNDING
    ]
    odds = _measure_odds(state, waiting, own_ids)
    chosen = {two: state.endings[one] for one, two in choose_clear_links(odds)}
    out, followed = [], []
    for place, strand in enumerate(waiting):
        known, number = state.strands[strand], own_ids[strand]
        own = next((one for one, item in enumerate(state.endings) if item.id == number), None)
        if place in chosen:
            number = chosen[place].id
            followed.append(chosen[place])
        elif own is not None and number not in removed and odds.get((own, place), 0.0) < 0:
            number = take_id()
        out.append(_settle(strand, known, number))
    state.endings = [item for item in state.endings if not any(item is other for other in followed)]
    return out


def _settle(strand: int, known: Strand, number: int) -> Settlement:
    assert known.stretch is not None
    start = known.stretch.opening[0].time
    since = start if known.since is None else known.since
    known.stretch.is_settled, known.since = True, None
    return Settlement(
        strand=strand, id=number, since=since, start=start, before=known.before, look=known.stretch.look
    )


def _measure_odds(
    state: IdentityState, waiting: Sequence[int], ids: dict[int, int]
) -> dict[tuple[int, int], float]:
    """The log odds of endings and waiting strands, by their places; none of objects that are in sight."""
    shown = {
        ids[strand]
        for strand, known in state.strands.items()
        if strand in ids and known.stretch is not None and known.stretch.is_settled
    }
    odds = {}
    for two, strand in enumerate(waiting):
        known = state.strands[strand]
        assert known.stretch is not None
        begin = describe_end(known.stretch.opening, last=False)
        for one, item in enumerate(state.endings):
            if item.prompt != known.prompt or item.id in shown:
                continue
            similarity = float(np.sqrt(item.look * known.stretch.look).sum())
            value = measure_odds(item.end, begin, similarity, is_own=item.id == ids[strand])
            if value is not None:
                odds[one, two] = value
    return odds


def _find_contacts(tracks: dict[int, Track], boxes: dict[int, Box]) -> set[int]:
    """The strands that are in contact with another one of their prompt."""
    out: set[int] = set()
    for one, two in combinations(tracks, 2):
        if tracks[one].prompt == tracks[two].prompt and are_in_contact(boxes[one], boxes[two]):
            out |= {one, two}
    return out


def _is_gone(state: IdentityState, known: Strand) -> bool:
    """Whether a strand was missing for longer than a flicker."""
    return state.clock - known.seen_at > state.interval + SHORT_GAP + ROUNDING


def _extend_stretch(known: Strand, moment: Moment, weight: int) -> None:
    """Add a moment, and its colours where they are new: those of so many pixels, 0 where they are not."""
    if known.stretch is None:
        known.since = moment.time if known.since is None else known.since
        known.stretch = Stretch(
            opening=[], recent=[], colors=np.zeros(known.halves.shape, np.float64), pixels=0
        )
        weight = max(weight, 1)
    stretch = known.stretch
    stretch.colors = stretch.colors + known.halves.astype(np.float64) * weight
    stretch.pixels += weight
    stretch.recent = [item for item in stretch.recent if item.time >= moment.time - COURSE] + [moment]
    if not stretch.opening or moment.time - stretch.opening[0].time <= COURSE:
        stretch.opening.append(moment)


def _end_stretch(state: IdentityState, known: Strand, number: int) -> None:
    """End a stretch: if it lasted long enough it is remembered as the latest of the object with that id."""
    stretch, known.stretch = known.stretch, None
    if stretch is None or stretch.seconds < LEAST_STRETCH - ROUNDING:
        return
    end = describe_end(stretch.recent, last=True)
    known.before = Ending(id=number, prompt=known.prompt, end=end, look=stretch.look)
    state.endings = [item for item in state.endings if item.id != number]
    state.endings.append(known.before)


def rename_tracks(tracks: Sequence[Track], settlements: Sequence[Settlement]) -> list[Track]:
    """Give tracks the ids that were settled; the tracks that are left.

    Who has such an id but is in doubt gets the one that became free instead, and a lost track whose object
    another strand shows is no more.
    """
    old = {track.strand: track.id for track in tracks}
    taken = {item.id: old[item.strand] for item in settlements}
    settled = {item.strand: item.id for item in settlements}
    kept, renamed = [], {}
    for track in tracks:
        number = settled.get(track.strand, track.id)
        if track.strand not in settled and number in taken:
            if track.is_lost:
                continue
            while number in taken:
                number = taken[number]
        kept.append(track)
        if number != track.id:
            renamed[track.id] = number
    for track in kept:
        track.id = renamed.get(track.id, track.id)
        track.twin, track.rival = renamed.get(track.twin, track.twin), renamed.get(track.rival, track.rival)
    return kept
