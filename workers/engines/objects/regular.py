"""How regular a flat outline is: what tells the right tilt of a plane from a wrong one.

A cap seen at the wrong slant is stretched: its right angles go, and so does its symmetry about a centre.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BINS = 120
FOLDS = (3, 4, 5, 6, 8)
MIRRORED = (np.arange(0, BINS, 2)[:, None] - np.arange(BINS)[None]) % BINS


@dataclass(frozen=True, slots=True)
class Plan:
    """Figures of an outline in its own plane, all in [0, 1] but `corners`.

    `square`: share of its length along two directions at right angles; `even`: the smaller over the
    larger spread; `folds`: how well it comes back to itself when turned by the best n-th part; `mirror`: the
    same for the best mirror line; `corners`: of the polygon.
    """

    square: float
    even: float
    folds: float
    mirror: float
    corners: int


def plan_of(corners: Array, outline: Array) -> Plan | None:
    """Figures of a closed polygon (N, 2) and of all points (M, 2) along its outline; None for no area."""
    edges = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    phases = np.arctan2(edges[:, 1], edges[:, 0])
    total = float(lengths.sum())
    following = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * following[:, 1] - following[:, 0] * outline[:, 1]
    area = float(cross.sum()) / 2
    if total <= 0 or abs(area) < 1e-6 * total**2:
        return None
    centre = ((outline + following) * cross[:, None]).sum(axis=0) / (6 * area)
    off = outline - centre
    spread = np.linalg.eigvalsh(np.cov(off.T))
    squares = _profile(off) ** 2
    turned = [_alike(squares, np.roll(squares, BINS // n)) for n in FOLDS]
    mirrored = squares[MIRRORED]
    return Plan(
        square=float(abs((lengths * np.exp(4j * phases)).sum()) / total),
        even=float(np.sqrt(max(spread[0], 0) / spread[1])),
        folds=max(turned),
        mirror=float(
            (np.minimum(squares, mirrored).sum(axis=1) / np.maximum(squares, mirrored).sum(axis=1)).max()
        ),
        corners=len(corners),
    )


def _profile(off: Array) -> Array:
    """The largest radius (BINS,) in each direction."""
    angles = np.arctan2(off[:, 1], off[:, 0])
    bins = ((angles + np.pi) / (2 * np.pi) * BINS).astype(np.int64) % BINS
    radii = np.zeros(BINS)
    np.maximum.at(radii, bins, np.hypot(off[:, 0], off[:, 1]))
    empty = radii == 0
    radii[empty] = np.interp(np.flatnonzero(empty), np.flatnonzero(~empty), radii[~empty], period=BINS)
    return radii


def _alike(one: Array, two: Array) -> float:
    return float(np.minimum(one, two).sum() / np.maximum(one, two).sum())
