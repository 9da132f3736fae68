"""When heels and balls of feet stand on the floor, from what was seen before any smoothing.

The noise of the points is measured on the track itself: first from second differences, then from how far
points stray within their phases. Times are in seconds and places in metres, so that the frame rate and
uneven frames do not matter. A pause between two stands is believed only where two places explain it better.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workers.jobs.bodies.gap_filling import find_spans
from workers.jobs.bodies.ground.flatness import find_flat
from workers.jobs.bodies.ground.one_place import compare_places
from workers.jobs.bodies.ground.phase_windows import LONGEST_PHASE, UP, Track, sum_windows
from workers.jobs.bodies.ground.phases import (
    HELD,
    LIFTED_MEAN,
    LIFTED_METRES,
    LONGEST_SWING,
    STANDING_METRES,
    SWINGING,
    score_phases,
)
from workers.jobs.bodies.ground.segmentation import find_phases, find_probabilities
from workers.jobs.bodies.ground.track_noise import (
    EXPECTED_NOISE,
    find_least_noise,
    guess_noise,
    limit_outliers,
    measure_noise,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
# Frames that are segmented at once, which bounds memory. Chosen, not measured.
BLOCK = 900
# Frames per second from which neighbouring frames repeat each other's evidence.
FULL_RATE = 30.0
# Frames per second of which contacts are decided: the time per frame grows with the rate (4 ms at 30, 9 at
# 60, 17 at 120), and at 120 every second frame gives the same skating (bench `bodies.walking`, seed 20).
MOST_RATE = 60.0
# How often the noise is measured again with the phases that were found with it.
ROUNDS = 2
# A foot is held before and after a stand where it may stand, by a probability, for so many seconds, and for
# one frame at least: a foot that slides is worse than one that arrives early by what it moves in a frame or
# two. Held for 0.14 s from 0.1 on, 23 of 1620 steps slide, two of them silently (27 and 5 without; seeds 20
# to 27, 7100 and 7200 of bench `bodies.walking`), and the MPJPE rises by 0.4 mm.
MAY_STAND, BORDER_SECONDS = 0.03, 0.04
DOUBTFUL, DOUBTFUL_SECONDS = 0.1, 0.14
# Probability from which on a foot that stands may lie flat: both of its points are planted. With 0.5, three
# of sixty feet that stand in 5 degrees of noise turn about the heel, by 1.5 to 4 cm.
MAY_LIE = 0.2
# For how many seconds a contact is in doubt where a stand begins and ends; longer doubts are reported.
DOUBT_SECONDS = 0.15
# For how many seconds both feet move at once, in the mean: runners leap for 0.1 to 0.2 s.
LEAP_SECONDS = 0.1
# Between these probabilities a contact is unknown, where that lasts for longer than DOUBT_SECONDS.
SURELY_MOVES, SURELY_STANDS = 0.2, 0.8


@dataclass(frozen=True, slots=True)
class Stand:
    """One time that a point stands: the number of the point and the frames."""

    point: int
    frames: slice


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """What P points, heel and ball of one foot after the other, do in T frames.

    `planted` (T, P) is where each may be taken to stand on the floor; `feet` (T, P / 2) is 1 where a foot
    stands with heel or ball, 0 where it does not, and NaN where that is no better than a guess. `noise` (3,)
    are the deviations in metres of what was seen, across the line of sight, along it, and up.
    """

    planted: Flags
    feet: Floats
    noise: Floats


def detect_contacts(places: Floats, seconds: Floats, views: Floats) -> Contacts:
    """When each of P points, heel and ball of one foot after the other, stands on the floor.

    `places` (T, P, 3) are metres to the right, ahead and up from the floor in a frame at rest, as they were
    seen: not smoothed, NaN in frames without a body. `seconds` (T,) are the rising times of the frames,
    `views` (T, 3) lead from the camera to the person.
    """
    if np.isfinite(places).all(axis=(1, 2)).sum() < 2:
        low = np.nan_to_num(np.abs(places[..., 2]), nan=np.inf) < STANDING_METRES
        return Contacts(low, np.full((len(places), places.shape[1] // 2), np.nan), EXPECTED_NOISE)
    stride = max(1, round(1 / (MOST_RATE * float(np.median(np.diff(seconds))))))
    if stride > 1:
        coarse = detect_contacts(places[::stride], seconds[::stride], views[::stride])
        nearest = np.minimum((np.arange(len(places)) + stride // 2) // stride, len(coarse.feet) - 1)
        return Contacts(coarse.planted[nearest], coarse.feet[nearest], coarse.noise)
    track = _weigh_frames(places, seconds, views)
    margin = round(LONGEST_PHASE / float(np.median(np.diff(seconds))))
    blocks = [
        _find_probabilities(track.cut(max(first - margin, 0), first + BLOCK + margin), min(first, margin))
        for first in range(0, len(places), BLOCK)
    ]
    probability, slides = (np.concatenate([block[kind] for block in blocks]) for kind in (0, 1))
    noise = np.sqrt(np.mean([block[2] ** 2 for block in blocks], axis=0))
    stands = _bridge(probability, seconds)
    planted = _keep_lower_points(_prolong(stands, probability, seconds), track)
    feet = _by_feet(probability).max(axis=2)
    unknown = _mark_unknown(feet, _by_feet(slides).max(axis=2), seconds)
    known = np.where(unknown, np.nan, _by_feet(stands).any(axis=2))
    return Contacts(planted, known, noise)


def _find_probabilities(track: Track, skip: int) -> tuple[Floats, Floats, Floats]:
    """Probabilities (T, P) that points stand, and slide, in BLOCK frames from `skip` on; the noise (3,)."""
    least = find_least_noise(track)
    noise = np.maximum(guess_noise(track), least)
    track = limit_outliers(track, noise)
    windows = sum_windows(track)
    for _ in range(ROUNDS):
        phases = find_phases(score_phases(windows, noise), track.seconds)
        noise = np.maximum(measure_noise(track, phases), least)
    scores = score_phases(windows, noise)
    alone, _ = find_probabilities(scores, track.seconds)
    leaps = _sum_leaps(alone, track.seconds)
    probability, slides = find_probabilities(_weigh_leaps(scores, leaps), track.seconds)
    probability = _compare_places(probability, track, noise, leaps)
    kept = slice(skip, skip + BLOCK)
    return probability[kept], (slides * _find_low(track))[kept], noise


def _find_low(track: Track) -> Floats:
    """The probability (T, P) that a point at its height is near the floor rather than lifted."""
    reach = max(1, round(DOUBT_SECONDS / float(np.median(np.diff(track.seconds)))))
    padded = np.pad(track.places[..., UP], ((reach, reach), (0, 0)), mode="edge")
    height = np.median(sliding_window_view(padded, 2 * reach + 1, axis=0), axis=-1)
    low, lifted = (height / STANDING_METRES) ** 2, ((height - LIFTED_MEAN) / LIFTED_METRES) ** 2
    odds = np.clip(0.5 * (low - lifted), -50, 50) + np.log(STANDING_METRES / LIFTED_METRES)
    share: Floats = 1 / (1 + np.exp(odds))
    return share


def list_stands(standing: Flags) -> list[Stand]:
    """Every time that a point (T, P) stands."""
    return [
        Stand(point, frames)
        for point, column in enumerate(standing.T)
        for frames in find_spans(column.astype(np.uint8))
    ]


def _weigh_frames(places: Floats, seconds: Floats, views: Floats) -> Track:
    """The track with places between the neighbours', and without weight, where nothing was seen."""
    seen = np.isfinite(places).all(axis=(1, 2))
    flat = places.reshape(len(places), -1)
    filled = np.stack([np.interp(seconds, seconds[seen], column[seen]) for column in flat.T], axis=1)
    steps = np.diff(seconds)
    share = 0.5 * (np.append(steps, steps[-1]) + np.insert(steps, 0, steps[0]))
    return Track(
        places=filled.reshape(places.shape),
        seconds=seconds,
        views=views,
        weights=np.minimum(FULL_RATE * share, 1.0) * seen,
    )


def _sum_leaps(probability: Floats, seconds: Floats) -> Floats:
    """Nats (T + 1, P), summed over the first frames, of being in the air while the other foot is."""
    moves = 1 - _by_feet(probability).max(axis=2)
    others = np.repeat(moves.sum(axis=1, keepdims=True) - moves, 2, axis=1)
    steps = np.append(np.diff(seconds), 0.0)
    costs = np.cumsum(others * steps[:, None], axis=0) / LEAP_SECONDS
    return np.concatenate([np.zeros((1, costs.shape[1])), costs])


def _weigh_leaps(scores: Floats, leaps: Floats) -> Floats:
    """Scores in which a foot in the air is the less likely the longer the other one moves meanwhile."""
    out = scores.copy()
    for row in range(scores.shape[1]):
        both = leaps[row + 1 :] - leaps[: len(leaps) - row - 1]
        out[[HELD, SWINGING], row, : len(both)] -= both
    return out


def _compare_places(probability: Floats, track: Track, noise: Floats, leaps: Floats) -> Floats:
    """Probabilities (T, P) that are no lower between two stands than one place or two explain."""
    out = probability.copy()
    for point, column in enumerate((probability >= 0.5).T):
        for before, after in pairwise(find_spans(column.astype(np.uint8))):
            if track.seconds[after.start] - track.seconds[before.stop - 1] <= LONGEST_SWING:
                pause, stands = compare_places(track, noise, point, before, after, leaps[:, point])
                out[pause, point] = np.maximum(out[pause, point], stands)
    return out


def _bridge(probability: Floats, seconds: Floats) -> Flags:
    """Frames (T, P) in which points rather stand than not.

    Stands with a short pause between them, in which the point may stand as well, are one: feet that may stand
    do not slide.
    """
    stands = probability >= 0.5
    for point in range(stands.shape[1]):
        for pause in find_spans((~stands[:, point]).astype(np.uint8)):
            lasts = seconds[min(pause.stop, len(seconds) - 1)] - seconds[pause.start]
            if lasts <= LONGEST_SWING and (probability[pause, point] > SURELY_MOVES).all():
                stands[pause, point] = True
    return stands


def _prolong(stands: Flags, probability: Floats, seconds: Floats) -> Flags:
    """Stands (T, P) with the frames before and after in which the point may stand, too.

    Two stands stay two: the frame between them in which the foot stands least likely is part of neither.
    """
    out = stands.copy()
    feet = np.repeat(_by_feet(probability).max(axis=2), 2, axis=1)
    for point in range(stands.shape[1]):
        for pause in find_spans((~stands[:, point]).astype(np.uint8)):
            likely, times = feet[pause, point], seconds[pause]
            free = np.ones(len(times), dtype=np.bool_)
            if pause.start > 0 and pause.stop < len(seconds):
                free[likely.argmin()] = False
            if pause.start > 0:
                held = free & _may_hold(likely, times - seconds[pause.start - 1])
                out[pause, point] |= np.logical_and.accumulate(held)
            if pause.stop < len(seconds):
                held = free & _may_hold(likely, seconds[pause.stop] - times)
                out[pause, point] |= np.logical_and.accumulate(held[::-1])[::-1]
    return out


def _may_hold(likely: Floats, away: Floats) -> Flags:
    """Whether a foot is held in frames (T,) that are `away` from a stand, in seconds, and `likely` one."""
    near = (away <= BORDER_SECONDS) | (away == away.min())
    held: Flags = near & (likely >= MAY_STAND) | (away <= DOUBTFUL_SECONDS) & (likely >= DOUBTFUL)
    return held


def _keep_lower_points(standing: Flags, track: Track) -> Flags:
    """Standing points (T, P): of a flat foot both if one is, of one that is tilted the lower one alone."""
    heights = _by_feet(track.places[..., 2])
    higher = heights[..., 0] - heights[..., 1]
    flat = find_flat(higher, track.seconds, track.weights) >= MAY_LIE
    feet = _by_feet(standing)
    lower = np.stack([higher < 0, higher >= 0], axis=2)
    kept = np.where(flat[..., None], feet.any(axis=2, keepdims=True), feet & lower)
    return kept.reshape(standing.shape)


def _by_feet(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Values (T, P) as (T, P / 2, 2) of heel and ball."""
    return values.reshape(len(values), -1, 2)


def _mark_unknown(stands: Floats, slides: Floats, seconds: Floats) -> Flags:
    """Frames (T, F) of a doubt that lasts for longer than where a stand begins or ends.

    A foot that `slides` over the floor may touch it, but stands nowhere.
    """
    unknown = (stands + slides > SURELY_MOVES) & (stands < SURELY_STANDS)
    for point in range(unknown.shape[1]):
        for frames in find_spans(unknown[:, point].astype(np.uint8)):
            if seconds[frames.stop - 1] - seconds[frames.start] < DOUBT_SECONDS:
                unknown[frames, point] = False
    return unknown
