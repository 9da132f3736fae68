"""The noise of a track of points, measured on the track itself, and the outliers that it shows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workers.jobs.bodies.ground.phase_windows import ALONG, Track, turn_to_view
from workers.jobs.bodies.ground.phases import HELD, SLIDING, STANDING, SWINGING, Phase

Floats = NDArray[np.float64]
# Noise that is expected of a point, in metres across the line of sight, along it, and up: what 3 degrees per
# joint and 2% of the distance of 5 m leave (bench `bodies.walking`). It counts as so many frames.
EXPECTED_NOISE, EXPECTED_FRAMES = np.array([0.05, 0.10, 0.02]), 5.0
# Least noise in metres, of the body model; and along the line of sight, relative to the distance: what a
# distance that wanders leaves beside a polynomial.
LEAST_NOISE, LEAST_WANDER = 0.005, 0.015
# Half of the window in seconds about whose median a place is looked at, and deviations of the noise from
# which on it is drawn back.
OUTLIER_SECONDS, OUTLIER_DEVIATIONS = 0.07, 2.5
# The share of the smallest second differences, which are of points at rest or in steady motion; and how many
# deviations the largest of that share of normal values has, times the norm of (1, -2, 1).
CALM_SHARE, CALM_DEVIATIONS = 1 / 3, 0.43 * np.sqrt(6)
# Degrees of the polynomials by which the noise is measured.
DEGREES = {STANDING: 0, HELD: 0, SLIDING: 1, SWINGING: 3}


def find_least_noise(track: Track) -> Floats:
    """Deviations (3,) across, along and up that the noise of a track has at least."""
    least = np.full(3, LEAST_NOISE)
    least[ALONG] = LEAST_WANDER * float(np.median(np.linalg.norm(track.views, axis=1)))
    return least


def guess_noise(track: Track) -> Floats:
    """Deviations (3,) across, along and up, from second differences."""
    places = turn_to_view(track.places, track.views)[track.weights > 0]
    if len(places) < EXPECTED_FRAMES:
        return EXPECTED_NOISE
    second = np.abs(np.diff(places, 2, axis=0)).reshape(-1, 3)
    noise: Floats = np.quantile(second, CALM_SHARE, axis=0) / CALM_DEVIATIONS
    return noise


def limit_outliers(track: Track, noise: Floats) -> Track:
    """The track with places no further from the median of their neighbours than noise explains."""
    reach = max(1, round(OUTLIER_SECONDS / float(np.median(np.diff(track.seconds)))))
    padded = np.pad(track.places, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    middle = np.median(sliding_window_view(padded, 2 * reach + 1, axis=0), axis=-1)
    turned = turn_to_view(track.places - middle, track.views)
    share = np.max(np.abs(turned) / (OUTLIER_DEVIATIONS * noise), axis=2, keepdims=True)
    return replace(track, places=middle + (track.places - middle) / np.maximum(share, 1.0))


def measure_noise(track: Track, phases: Sequence[Phase]) -> Floats:
    """Deviations (3,) of the points across, along and up about the polynomials of their phases."""
    squares, free = EXPECTED_FRAMES * EXPECTED_NOISE**2, EXPECTED_FRAMES
    turned = turn_to_view(track.places, track.views)
    for phase in phases:
        frames = phase.frames
        degree = min(DEGREES[phase.kind], frames.stop - frames.start - 1)
        count = frames.stop - frames.start
        weights = track.weights[frames]
        # the coefficients, and where the phase ends, are chosen to fit
        chosen = degree + 2
        if (weights > 0).sum() <= chosen:
            continue
        times = track.seconds[frames] - track.seconds[frames].mean()
        basis = np.vander(times / max(np.ptp(times), 1e-9), degree + 1) * np.sqrt(weights)[:, None]
        values = turned[frames, phase.point] * np.sqrt(weights)[:, None]
        rest = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
        squares = squares + (rest**2).sum(axis=0)
        free += weights.sum() * (1 - chosen / count)
    noise: Floats = np.sqrt(squares / free)
    return noise
