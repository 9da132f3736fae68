"""Scores of tracks, from the statistics of their masks; docs/reference/datasets.md has their bounds."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.schema import ScoreRow
from workers.engines.concepts.images.color_histograms import Histogram, histogram_similarity

STAGE = "gates"
# frames: a gap up to this long counts as flicker, and a longer one as a loss; chosen, not measured
SHORT_GAP = 3
# frames on either side of a moment that two tracks need before they can be said to have swapped; chosen
LEAST_FRAMES = 3
# frames before and after a gap whose mean appearance is compared; chosen, not measured
MEMORY = 6
# by how much (of two similarities, 0..2) swapped identities have to explain two tracks better; chosen, not
# measured
SWAP_MARGIN = 0.35


def score_tracks(clip: str, stats: Mapping[int, TrackStats], pixels: int) -> dict[int, list[ScoreRow]]:
    """The two-dimensional scores of every track; `pixels` is the area of a frame.

    length frames; visible_fraction of its span; area pixels (median); area_share of the frame (median);
    truncation share of frames at the border; flicker share of the mask that changes beyond motion (mean, and
    1 for each gap of up to 3 frames); id_switch count; reidentification similarity (0..1) over the worst gap,
    null without gaps; box_mask IoU (median) of the engine's box with the mask's own.
    """
    return {track: _score_track(clip, track, stats, pixels) for track in stats}


def _score_track(clip: str, track: int, stats: Mapping[int, TrackStats], pixels: int) -> list[ScoreRow]:
    def build_row(name: str, value: float | None, unit: str) -> ScoreRow:
        return ScoreRow(clip=clip, track=track, stage=STAGE, name=name, value=value, unit=unit)

    own = stats[track]
    frames = own.frames
    span = frames[-1] - frames[0] + 1
    gaps = [after - before - 1 for before, after in pairwise(frames) if after - before > 1]
    flickers = own.flickers + [1.0 for gap in gaps if gap <= SHORT_GAP]
    area = float(np.median(own.areas))
    return [
        build_row("length", float(len(frames)), "frames"),
        build_row("visible_fraction", len(frames) / span, "share"),
        build_row("area", area, "pixels"),
        build_row("area_share", area / pixels, "share"),
        build_row("truncation", float(np.mean(own.truncated)), "share"),
        build_row("flicker", float(np.mean(flickers)) if flickers else None, "share"),
        build_row("id_switch", float(own.switches + _count_swaps(track, stats)), "count"),
        build_row("reidentification", _measure_reidentification(own), "likeness"),
        build_row("box_mask", float(np.median(own.box_ious)), "IoU"),
    ]


def _measure_reidentification(stats: TrackStats) -> float | None:
    """The similarity of a track before and after the gap where it is least; None without gaps."""
    similarities = []
    for index, (before, after) in enumerate(pairwise(stats.frames)):
        if after - before > 1:
            old = _average_by_area(stats, max(0, index + 1 - MEMORY), index + 1)
            new = _average_by_area(stats, index + 1, index + 1 + MEMORY)
            similarities.append(histogram_similarity(old, new))
    return min(similarities) if similarities else None


def _count_swaps(track: int, stats: Mapping[int, TrackStats]) -> int:
    """With how many tracks of the same phrase this one seems to have swapped places for good."""
    own = stats[track]
    return sum(
        _have_swapped(own, other)
        for number, other in stats.items()
        if number != track and other.prompt == own.prompt
    )


def _have_swapped(one: TrackStats, other: TrackStats) -> bool:
    """Whether from some moment on each explains the other's appearance better than its own."""
    first, last = max(one.frames[0], other.frames[0]), min(one.frames[-1], other.frames[-1])
    if last - first < 2 * LEAST_FRAMES:
        return False
    a, b = _accumulate(one), _accumulate(other)
    frames = np.array(one.frames), np.array(other.frames)
    for moment in range(first + LEAST_FRAMES, last - LEAST_FRAMES + 2):
        cut = int(np.searchsorted(frames[0], moment)), int(np.searchsorted(frames[1], moment))
        after = len(frames[0]) - cut[0], len(frames[1]) - cut[1]
        if min(*cut, *after) < LEAST_FRAMES:
            continue
        a_old, a_new = _average(a, 0, cut[0]), _average(a, cut[0], len(frames[0]))
        b_old, b_new = _average(b, 0, cut[1]), _average(b, cut[1], len(frames[1]))
        stayed = histogram_similarity(a_old, a_new) + histogram_similarity(b_old, b_new)
        crossed = histogram_similarity(a_old, b_new) + histogram_similarity(b_old, a_new)
        if crossed > stayed + SWAP_MARGIN:
            return True
    return False


def _accumulate(stats: TrackStats) -> NDArray[np.float32]:
    """Running sums of the histograms, so that the mean of any run of frames is one subtraction."""
    histograms = np.stack(stats.appearances)
    zero = np.zeros((1, histograms.shape[1]), np.float32)
    return np.concatenate([zero, np.cumsum(histograms, axis=0)])


def _average(sums: NDArray[np.float32], start: int, stop: int) -> Histogram:
    return np.asarray((sums[stop] - sums[start]) / max(1, stop - start), np.float32)


def _average_by_area(stats: TrackStats, start: int, stop: int) -> Histogram:
    """The mean histogram weighted by area: the sliver that shows first says little about the object."""
    histograms, areas = stats.appearances[start:stop], stats.areas[start:stop]
    return np.asarray(np.average(histograms, axis=0, weights=areas), np.float32)
