"""How likely a foot lies flat: heel and ball are equally high. Their difference is known better than their
heights, because most errors of a pose move the two together."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Deviations in metres of the difference of heights of a flat foot (of the body model) and of a tilted one.
FLAT_METRES, TILTED_METRES = 0.02, 0.12
# Mean duration in seconds for which a foot is flat, or tilted.
DURATION_SECONDS = 0.3
# The median of |N(0, 1)| times the norm of (1, -2, 1).
MEDIAN_DEVIATION = 0.6745 * np.sqrt(6)


def find_flat(differences: Floats, seconds: Floats, weights: Floats) -> Floats:
    """Probabilities (T, F) that feet are flat, from the heights of heels over balls (T, F) in metres.

    `seconds` (T,), `weights` (T,) are the share of a frame's evidence that counts.
    """
    seen = weights > 0
    noise = np.full(differences.shape[1], TILTED_METRES)
    if seen.sum() > 2:
        noise = np.median(np.abs(np.diff(differences[seen], 2, axis=0)), axis=0) / MEDIAN_DEVIATION
    flat, tilted = (
        weights[:, None] * _score_normal(differences, np.hypot(noise, spread))
        for spread in (FLAT_METRES, TILTED_METRES)
    )
    change = np.clip(np.diff(seconds) / DURATION_SECONDS, 1e-6, 0.5)
    forwards = _filter(tilted - flat, change)
    backwards = _filter((tilted - flat)[::-1], change[::-1])[::-1]
    # each frame's own evidence is in both
    odds = forwards + backwards - (tilted - flat)
    probability: Floats = 1 / (1 + np.exp(np.clip(odds, -50, 50)))
    return probability


def _filter(evidence: Floats, change: Floats) -> Floats:
    """Log odds (T, F) of the second of two states, given `evidence` (T, F) up to and with each frame."""
    out = np.empty_like(evidence)
    out[0] = evidence[0]
    for k, share in enumerate(change, 1):
        stay, leave = np.log(1 - share), np.log(share)
        before = np.logaddexp(leave, stay + out[k - 1]) - np.logaddexp(stay, leave + out[k - 1])
        out[k] = before + evidence[k]
    return out


def _score_normal(values: Floats, deviations: Floats) -> Floats:
    scores: Floats = -0.5 * (values / deviations) ** 2 - np.log(deviations)
    return scores
