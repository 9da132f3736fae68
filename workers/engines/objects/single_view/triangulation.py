"""Triangulating the inside of an outline: marching squares with filled cells.

Samples inside become inner points, crossings of lattice edges become rim points. No triangle edge joins
two rim points unless it lies on the rim, so two sheets glued along the rim make a closed 2-manifold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.outline import Lattice

SNAP = 0.05
CORNER_STEPS = ((0, 0), (0, 1), (1, 1), (1, 0))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Points (P, 2) in image pixels, inner ones first; `inner` counts them; triangles (T, 3).

    Triangles run clockwise as the image is seen (x right, y down); `rim_edges` (R, 2) follow them.
    """

    points: NDArray[np.float64]
    inner: int
    triangles: NDArray[np.int64]
    rim_edges: NDArray[np.int64]


def triangulate(lattice: Lattice) -> Sheet:
    """Fill the 0.5 level of a lattice; its border must lie outside."""
    field = lattice.field
    inside = field > 0.5
    ids = np.full((*inside.shape, 3), -1, dtype=np.int64)
    inner = int(inside.sum())
    ids[inside, 0] = np.arange(inner)
    rows, columns = np.nonzero(inside)
    found = [lattice.pixels(columns.astype(np.float64), rows.astype(np.float64))]
    total = inner
    for axis in (1, 0):
        crossed = np.zeros_like(inside)
        here, there = (inside[:, :-1], inside[:, 1:]) if axis else (inside[:-1], inside[1:])
        (crossed[:, :-1] if axis else crossed[:-1])[...] = here != there
        y, x = np.nonzero(crossed)
        a, b = field[y, x], field[y + (1 - axis), x + axis]
        share = np.clip((0.5 - a) / (b - a), SNAP, 1 - SNAP)
        found.append(lattice.pixels(x + axis * share, y + (1 - axis) * share))
        ids[crossed, 2 - axis] = total + np.arange(len(x))
        total += len(x)
    triangles = _cells(inside, ids)
    return Sheet(np.concatenate(found), inner, triangles, _rim(triangles, inner))


def _cells(inside: NDArray[np.bool_], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Triangles of all cells; `ids` (ny, nx, 3) are the points at a sample, right of it and below it."""
    rows, columns = inside.shape
    case = np.zeros((rows - 1, columns - 1), dtype=np.int64)
    for bit, (dy, dx) in enumerate(CORNER_STEPS):
        case |= inside[dy : rows - 1 + dy, dx : columns - 1 + dx].astype(np.int64) << bit
    out: list[NDArray[np.int64]] = []
    for value in range(1, 16):
        y, x = np.nonzero(case == value)
        if not len(y):
            continue
        corner = [ids[y + dy, x + dx, 0] for dy, dx in CORNER_STEPS]
        edge = [ids[y, x, 1], ids[y, x + 1, 2], ids[y + 1, x, 1], ids[y, x, 2]]
        set_bits = [bool(value >> bit & 1) for bit in range(4)]
        if value in (5, 10):
            for k in range(4):
                if set_bits[k]:
                    out.append(np.stack([corner[k], edge[k], edge[k - 1]], axis=1))
            continue
        ring: list[NDArray[np.int64]] = []
        first = next(k for k in range(4) if set_bits[k])
        for k in range(first, first + 4):
            if set_bits[k % 4]:
                ring.append(corner[k % 4])
            if set_bits[k % 4] != set_bits[(k + 1) % 4]:
                ring.append(edge[k % 4])
        # A fan from a corner draws no diagonal between two rim points.
        out.extend(np.stack([ring[0], ring[k], ring[k + 1]], axis=1) for k in range(1, len(ring) - 1))
    return np.concatenate(out)


def _rim(triangles: NDArray[np.int64], inner: int) -> NDArray[np.int64]:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.asarray(edges[(edges >= inner).all(axis=1)], dtype=np.int64)
