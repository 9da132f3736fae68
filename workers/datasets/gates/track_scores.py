"""Scores of tracks, from what the meters noted. Low is bad or good as the policy's bounds say."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.schema import ScoreRow
from workers.engines.concepts.images.color_histograms import Histogram, histogram_similarity

STAGE = "gates"
SHORT_GAP = 3
LOOKS = 3
MEMORY = 6
# how much better the swapped identities have to explain the looks of two tracks
SWAP_MARGIN = 0.35


def score_tracks(clip: str, courses: Mapping[int, TrackStats], pixels: int) -> dict[int, list[ScoreRow]]:
    """The two-dimensional scores of every track; `pixels` is the area of a frame.

    length frames; visible_fraction of its span; area pixels (median); area_share of the frame (median);
    truncation share of frames at the edge; flicker share of the mask that changes beyond motion (mean, and 1
    for each hole of up to 3 frames); id_switch count; reidentification likeness (0..1) over the worst gap,
    null without gaps; box_mask IoU (median) of the given box with the mask's own.
    """
    return {track: _score_track(clip, track, course, courses, pixels) for track, course in courses.items()}


def _score_track(
    clip: str, track: int, course: TrackStats, courses: Mapping[int, TrackStats], pixels: int
) -> list[ScoreRow]:
    def row(name: str, value: float | None, unit: str) -> ScoreRow:
        return ScoreRow(clip=clip, track=track, stage=STAGE, name=name, value=value, unit=unit)

    seen = course.frames
    span = seen[-1] - seen[0] + 1
    holes = [b - a - 1 for a, b in pairwise(seen) if b - a > 1]
    jumps = [1.0 for hole in holes if hole <= SHORT_GAP]
    changes = course.flickers + jumps
    area = float(np.median(course.areas))
    return [
        row("length", float(len(seen)), "frames"),
        row("visible_fraction", len(seen) / span, "share"),
        row("area", area, "pixels"),
        row("area_share", area / pixels, "share"),
        row("truncation", float(np.mean(course.truncated)), "share"),
        row("flicker", float(np.mean(changes)) if changes else None, "share"),
        row("id_switch", float(course.switches + _swaps(track, course, courses)), "count"),
        row("reidentification", _returns(course), "likeness"),
        row("box_mask", float(np.median(course.agreements)), "IoU"),
    ]


def _returns(course: TrackStats) -> float | None:
    """The likeness of a track before and after the gap where it is least."""
    found = []
    for index, (a, b) in enumerate(pairwise(course.frames)):
        if b - a > 1:
            before = _mean(course, max(0, index + 1 - MEMORY), index + 1)
            after = _mean(course, index + 1, index + 1 + MEMORY)
            found.append(histogram_similarity(before, after))
    return min(found) if found else None


def _swaps(track: int, course: TrackStats, courses: Mapping[int, TrackStats]) -> int:
    """How many siblings of the same concept this track seems to have changed places with for good."""
    return sum(
        _swapped(course, other)
        for number, other in courses.items()
        if number != track and other.concept == course.concept
    )


def _swapped(one: TrackStats, other: TrackStats) -> bool:
    """Whether at some moment the two explain each other's looks better than their own."""
    first, last = max(one.frames[0], other.frames[0]), min(one.frames[-1], other.frames[-1])
    if last - first < 2 * LOOKS:
        return False
    a, b = _sums(one), _sums(other)
    where = np.array(one.frames), np.array(other.frames)
    for moment in range(first + LOOKS, last - LOOKS + 2):
        cut = int(np.searchsorted(where[0], moment)), int(np.searchsorted(where[1], moment))
        if min(cut) < LOOKS or len(where[0]) - cut[0] < LOOKS or len(where[1]) - cut[1] < LOOKS:
            continue
        a_old, a_new = _part(a, 0, cut[0]), _part(a, cut[0], len(where[0]))
        b_old, b_new = _part(b, 0, cut[1]), _part(b, cut[1], len(where[1]))
        stayed = histogram_similarity(a_old, a_new) + histogram_similarity(b_old, b_new)
        crossed = histogram_similarity(a_old, b_new) + histogram_similarity(b_old, a_new)
        if crossed > stayed + SWAP_MARGIN:
            return True
    return False


def _sums(course: TrackStats) -> NDArray[np.float32]:
    looks = np.stack(course.looks)
    return np.concatenate([np.zeros((1, looks.shape[1]), np.float32), np.cumsum(looks, axis=0)])


def _part(sums: NDArray[np.float32], start: int, stop: int) -> Histogram:
    return np.asarray((sums[stop] - sums[start]) / max(1, stop - start), np.float32)


def _mean(course: TrackStats, start: int, stop: int) -> Histogram:
    """The mean look, by area: the sliver that shows first says little of the whole."""
    looks, areas = course.looks[start:stop], course.areas[start:stop]
    return np.asarray(np.average(looks, axis=0, weights=areas), np.float32)
