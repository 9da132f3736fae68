"""Stretches of a track in which it shows one object for certain (`identity/certainty.py`).

Masks of doubtful moments may show two objects, so tracks are compared by the stretches between them, each by
everything that it shows.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from workers.datasets.gates.track_metrics import TrackStats
from workers.engines.concepts.identity.certainty import (
    CERTAIN,
    LEAST_STRETCH,
    ROUNDING,
    SHORT_GAP,
    are_in_contact,
)

Shares = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Tracklet:
    """Observations of a track in a row that show one object: their places in its statistics.

    `colors` is the sum of the halves' colours over `pixels`, where its identity is certain: None where it is
    not for long enough.
    """

    track: int
    places: range
    colors: Shares | None = None
    pixels: int = 0

    def measure_similarity(self, other: "Tracklet") -> float:
        """How much two tracklets look alike, 0..1; 0 where one is not known."""
        if self.colors is None or other.colors is None:
            return 0.0
        one, two = self.colors / max(1, self.pixels), other.colors / max(1, other.pixels)
        return float(np.sqrt(one * two).sum())


def divide_tracks(stats: Mapping[int, TrackStats], times: Sequence[float]) -> dict[int, list[Tracklet]]:
    """The certain stretches of each track in order; the complete track where there are none.

    It is complete too where the engine states no margins. `times` are those of the clip's frames in seconds.
    """
    touching = _find_contacts(stats)
    out = {}
    for track, own in sorted(stats.items()):
        stretches = []
        if any(margin is not None for margin in own.margins):
            stretches = list(_describe_stretches(track, own, touching[track], times))
        out[track] = stretches or [Tracklet(track, range(len(own.frames)))]
    return out


def _describe_stretches(
    track: int, stats: TrackStats, touching: Collection[int], times: Sequence[float]
) -> Iterator[Tracklet]:
    known = _find_certain(stats.margins)
    certain = [
        is_known and frame not in touching for is_known, frame in zip(known, stats.frames, strict=True)
    ]
    steps, interval = _measure_steps(stats, times)
    is_gap = steps > interval + SHORT_GAP + ROUNDING
    for places in _list_stretches(certain, is_gap, steps):
        yield describe_tracklet(track, stats, places)


def describe_tracklet(track: int, stats: TrackStats, places: range) -> Tracklet:
    """A part of a track with the colours of all its observations."""
    areas = np.asarray(stats.areas[places.start : places.stop], np.float64)
    halves = np.asarray(stats.halves[places.start : places.stop], np.float64)
    return Tracklet(track, places, (halves * areas[:, None]).sum(axis=0), int(areas.sum()))


def divide_at_gaps(places: range, stats: TrackStats, times: Sequence[float]) -> list[range]:
    """Observations in a row, in parts between which the track was not seen for longer than a short gap."""
    steps, interval = _measure_steps(stats, times)
    starts = [place for place in places[1:] if steps[place] > interval + SHORT_GAP + ROUNDING]
    bounds = [places.start, *starts, places.stop]
    return [range(first, end) for first, end in pairwise(bounds) if first < end]


def _measure_steps(stats: TrackStats, times: Sequence[float]) -> tuple[Shares, float]:
    """The seconds from each observation to the next one, 0 for the first, and between frames."""
    steps = np.diff([times[frame] for frame in stats.frames], prepend=times[stats.frames[0]])
    return steps, float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _find_contacts(stats: Mapping[int, TrackStats]) -> dict[int, set[int]]:
    """The frames in which each track is in contact with another one of its concept."""
    out: dict[int, set[int]] = {track: set() for track in stats}
    boxes = {track: dict(zip(own.frames, own.boxes, strict=True)) for track, own in stats.items()}
    for one, two in combinations(stats, 2):
        if stats[one].prompt != stats[two].prompt:
            continue
        for frame in boxes[one].keys() & boxes[two].keys():
            if are_in_contact(boxes[one][frame], boxes[two][frame]):
                out[one].add(frame)
                out[two].add(frame)
    return out


def _list_stretches(certain: Sequence[bool], is_gap: Bools, steps: Shares) -> list[range]:
    """The times without a gap for which all observations are certain, that last long enough.

    `steps` are the seconds since the observation before, `is_gap` says where it was missing between.
    """
    starts = [
        place for place in range(1, len(certain)) if is_gap[place] or certain[place] != certain[place - 1]
    ]
    return [
        range(first, end)
        for first, end in pairwise([0, *starts, len(certain)])
        if certain[first] and steps[first + 1 : end].sum() >= LEAST_STRETCH - ROUNDING
    ]


def _find_certain(margins: Sequence[float | None]) -> list[bool]:
    """Which observations are certain: the comparisons before and after them were, where there are any."""
    forwards, backwards = _carry(margins), _carry(margins[::-1])[::-1]
    return [one and two for one, two in zip(forwards, backwards, strict=True)]


def _carry(margins: Sequence[float | None]) -> list[bool]:
    out, is_certain = [], True
    for margin in margins:
        is_certain = is_certain if margin is None else margin >= CERTAIN
        out.append(is_certain)
    return out
