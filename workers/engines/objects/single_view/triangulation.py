"""Triangulating the inside of an outline: marching squares with filled cells.

Samples inside become inner points, crossings of lattice edges become rim points. No triangle edge joins two
rim points unless it lies on the rim, so two sheets joined along the rim make a closed 2-manifold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.outline import Lattice

Indices = NDArray[np.int64]
# Rim points keep this share of a lattice edge away from samples, so that no triangle degenerates.
MIN_SHARE = 0.05
CORNER_STEPS = ((0, 0), (0, 1), (1, 1), (1, 0))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Points (P, 2) in image pixels, inner ones first; `inner` counts them; triangles (T, 3).

    Triangles run clockwise in the image (x right, y down); `rim_edges` (R, 2) follow them.
    """

    points: NDArray[np.float64]
    inner: int
    triangles: Indices
    rim_edges: Indices


def triangulate(lattice: Lattice) -> Sheet:
    """Fill the 0.5 level of a lattice; its border must lie outside."""
    field = lattice.field
    inside = field > 0.5
    ids = np.full((*inside.shape, 3), -1, dtype=np.int64)
    inner = int(inside.sum())
    ids[inside, 0] = np.arange(inner)
    rows, columns = np.nonzero(inside)
    points = [lattice.to_pixels(columns.astype(np.float64), rows.astype(np.float64))]
    total = inner
    for axis in (1, 0):
        crossed = np.zeros_like(inside)
        here, there = (inside[:, :-1], inside[:, 1:]) if axis else (inside[:-1], inside[1:])
        (crossed[:, :-1] if axis else crossed[:-1])[...] = here != there
        y, x = np.nonzero(crossed)
        a, b = field[y, x], field[y + (1 - axis), x + axis]
        share = np.clip((0.5 - a) / (b - a), MIN_SHARE, 1 - MIN_SHARE)
        points.append(lattice.to_pixels(x + axis * share, y + (1 - axis) * share))
        ids[crossed, 2 - axis] = total + np.arange(len(x))
        total += len(x)
    triangles = _triangulate_cells(inside, ids)
    return Sheet(np.concatenate(points), inner, triangles, _list_rim_edges(triangles, inner))


def _triangulate_cells(inside: NDArray[np.bool_], ids: Indices) -> Indices:
    """Triangles of all cells; `ids` (ny, nx, 3) are the points at a sample, right of it and below it."""
    rows, columns = inside.shape
    case = np.zeros((rows - 1, columns - 1), dtype=np.int64)
    for bit, (dy, dx) in enumerate(CORNER_STEPS):
        case |= inside[dy : rows - 1 + dy, dx : columns - 1 + dx].astype(np.int64) << bit
    out: list[Indices] = []
    for value in range(1, 16):
        y, x = np.nonzero(case == value)
        if len(y):
            corners = [ids[y + dy, x + dx, 0] for dy, dx in CORNER_STEPS]
            edges = [ids[y, x, 1], ids[y, x + 1, 2], ids[y + 1, x, 1], ids[y, x, 2]]
            out.extend(_triangulate_case(value, corners, edges))
    return np.concatenate(out)


def _triangulate_case(value: int, corners: list[Indices], edges: list[Indices]) -> list[Indices]:
    """Triangles of the cells whose corners inside are the bits of `value`, clockwise.

    `corners` and `edges` have the points (N,) at each corner and on the edge after it.
    """
    is_inside = [bool(value >> bit & 1) for bit in range(4)]
    if value in (5, 10):
        # two opposite corners stay apart
        return [np.stack([corners[k], edges[k], edges[k - 1]], axis=1) for k in range(4) if is_inside[k]]
    ring: list[Indices] = []
    first = is_inside.index(True)
    for k in range(first, first + 4):
        if is_inside[k % 4]:
            ring.append(corners[k % 4])
        if is_inside[k % 4] != is_inside[(k + 1) % 4]:
            ring.append(edges[k % 4])
    # a fan from a corner draws no diagonal between two rim points
    return [np.stack([ring[0], ring[k], ring[k + 1]], axis=1) for k in range(1, len(ring) - 1)]


def _list_rim_edges(triangles: Indices, inner: int) -> Indices:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.asarray(edges[(edges >= inner).all(axis=1)], dtype=np.int64)
