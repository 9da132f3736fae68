"""Dividing a track where its identity was in doubt and another object goes on with its id.

The engine states the doubt: `margin` is near 0 while detections and tracks compete for one place. Masks of
such moments may show both objects, so the certain stretches before and after them are compared, each by
everything that it shows. Two that show the same object stay one track. Of two that do not, each becomes a
track of its own, and the doubtful frames between belong to neither: two pure halves are worth more than a
mixed track.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.track_scores import ROUNDING, SHORT_GAP

# margin (IoU) from which an identity is certain. Steady people of a crowd have 0.6 to 0.9, before a switch of
# ids 0.05 and less; set on the first 20 s of a yard with nine people (docs/benchmarks/datasets.md)
CERTAIN = 0.15
# seconds that a stretch of certainty lasts at least, to say how its object appears; chosen
LEAST_STRETCH = 0.6
# similarity of two stretches (0..1) from which they show one object: in the same yard one object has 0.89 and
# more, two have 0.85 and less
SAME_OBJECT = 0.87

Shares = NDArray[np.float64]


@dataclass(slots=True)
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


def divide_track(track: int, stats: TrackStats, times: Sequence[float]) -> list[Tracklet]:
    """The tracklets of a track in order; one alone where nothing is in doubt, or the engine does not say.

    `times` are those of the clip's frames in seconds.
    """
    everything = range(len(stats.frames))
    if all(margin is None for margin in stats.margins):
        return [Tracklet(track, everything)]
    pieces: list[Tracklet] = []
    for stretch in _list_stretches(stats, times):
        own = _describe(track, stats, stretch)
        if pieces and pieces[-1].measure_similarity(own) >= SAME_OBJECT:
            pieces[-1] = _merge(pieces[-1], own)
        else:
            pieces.append(own)
    if not pieces:
        return [Tracklet(track, everything)]
    pieces[0].places = range(pieces[0].places.stop)
    pieces[-1].places = range(pieces[-1].places.start, len(everything))
    return pieces


def _list_stretches(stats: TrackStats, times: Sequence[float]) -> list[range]:
    """The times without a gap, between comparisons that were certain, that last long enough."""
    certain = _find_certain(stats.margins)
    seconds = [times[frame] for frame in stats.frames]
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    starts = [
        place
        for place, (before, after) in enumerate(pairwise(seconds), 1)
        if after - before - interval > SHORT_GAP + ROUNDING or certain[place] != certain[place - 1]
    ]
    bounds = [0, *starts, len(seconds)]
    return [
        range(first, end)
        for first, end in pairwise(bounds)
        if certain[first] and seconds[end - 1] - seconds[first] >= LEAST_STRETCH - ROUNDING
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


def _describe(track: int, stats: TrackStats, stretch: range) -> Tracklet:
    areas = np.asarray(stats.areas[stretch.start : stretch.stop], np.float64)
    halves = np.asarray(stats.halves[stretch.start : stretch.stop], np.float64)
    return Tracklet(track, stretch, (halves * areas[:, None]).sum(axis=0), int(areas.sum()))


def _merge(one: Tracklet, later: Tracklet) -> Tracklet:
    assert one.colors is not None and later.colors is not None
    places = range(one.places.start, later.places.stop)
    return Tracklet(one.track, places, one.colors + later.colors, one.pixels + later.pixels)
