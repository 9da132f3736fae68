"""Higher order tracking accuracy: Luiten et al., "HOTA" (2020), as TrackEval computes it.

TrackEval itself is not used: its package brings opencv-python beside opencv-python-headless, and both install
the same module.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workers.evaluation.benchmark import Scores

Floats = NDArray[np.float64]
ALPHAS = np.arange(0.05, 0.99, 0.05)
EPSILON = np.finfo("float").eps


@dataclass(frozen=True, slots=True, eq=False)
class FrameOverlaps:
    """One frame: numbers of the true tracks (G,) and of those found (D,) in it, and their IoUs (G, D)."""

    truth: NDArray[np.int64]
    found: NDArray[np.int64]
    overlaps: Floats


@dataclass(frozen=True, slots=True, eq=False)
class HotaCounts:
    """Per alpha (19,): detections right, missed and wrong, and the sum of association scores of the right."""

    hits: Floats
    missed: Floats
    wrong: Floats
    association: Floats


def count_sequence(frames: Sequence[FrameOverlaps], truth: int, found: int) -> HotaCounts:
    """The counts of one video with so many true tracks and tracks found."""
    potential, truth_frames, found_frames = np.zeros((truth, found)), np.zeros(truth), np.zeros(found)
    for frame in frames:
        total = frame.overlaps.sum(axis=0)[None] + frame.overlaps.sum(axis=1)[:, None] - frame.overlaps
        share = np.divide(frame.overlaps, total, out=np.zeros_like(total), where=total > EPSILON)
        potential[np.ix_(frame.truth, frame.found)] += share
        truth_frames[frame.truth] += 1
        found_frames[frame.found] += 1
    alignment = potential / np.maximum(truth_frames[:, None] + found_frames[None] - potential, EPSILON)
    hits, matches = np.zeros(len(ALPHAS)), np.zeros((len(ALPHAS), truth, found))
    for frame in frames:
        weights = alignment[np.ix_(frame.truth, frame.found)] * frame.overlaps
        rows, columns = linear_sum_assignment(-weights)
        right = frame.overlaps[rows, columns][None] >= ALPHAS[:, None] - EPSILON
        hits += right.sum(axis=1)
        matches[:, frame.truth[rows], frame.found[columns]] += right
    both = np.maximum(1, truth_frames[None, :, None] + found_frames[None, None] - matches)
    association = (matches * matches / both).sum(axis=(1, 2))
    return HotaCounts(hits, truth_frames.sum() - hits, found_frames.sum() - hits, association)


def score_sequences(counts: Sequence[HotaCounts]) -> Scores:
    """HOTA, DetA and AssA over all videos together, averaged over alphas."""
    if not counts:
        return dict.fromkeys(("HOTA", "DetA", "AssA"))
    hits, missed, wrong, association = (
        np.sum([getattr(one, name) for one in counts], axis=0)
        for name in ("hits", "missed", "wrong", "association")
    )
    detection = hits / np.maximum(1, hits + missed + wrong)
    association = association / np.maximum(1, hits)
    return {
        "HOTA": float(np.sqrt(detection * association).mean()),
        "DetA": float(detection.mean()),
        "AssA": float(association.mean()),
    }
