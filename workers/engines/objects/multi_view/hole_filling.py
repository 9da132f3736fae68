"""What no view sees, where the hull's guess is a poor one: undersides and the depths of hollows.

Cameras that look down leave a roof of the hull under a table: an underside is made as flat as its rim lets
it be. They see only the upper part of a deep hollow: it goes on with the thickness of the wall that is seen.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from workers.engines.objects.multi_view.visual_hull import Field, Grid
from workers.geometry.meshes import vertex_normals

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
FACING = 0.4
STANDING_STEPS = 2.0
LEAST_PATCH, LEAST_SHARE = 12, 0.002
THINNEST_STEPS = 2.0
WALL_STEPS = 8.0
EVEN = 0.5
LEAST_GROUND = 40
SPREAD = 4


def flatten_undersides(
    points: Array, faces: NDArray[np.int64], seen: Flags, grid: Grid, field: Field, floor: float
) -> tuple[Array, bool]:
    """World vertices (V, 3) with undersides above `floor` raised to be flat, and whether that was worth it.

    A patch's heights solve Laplace's equation from those around it, as a soap film nearly does; a vertex is
    only ever raised, and not where less than two steps of the solid would be left above it.
    """
    up = grid.axes[1]
    heights = points @ up
    facing = vertex_normals(points, faces) @ up < -FACING
    loose = facing & ~seen & (heights > floor + STANDING_STEPS * grid.step)
    edges = _edges(faces)
    both = np.concatenate([edges, edges[:, ::-1]])
    loose = _in_large_patches(edges, loose)
    # the rim stays as the outlines have it
    loose[both[~loose[both[:, 1]], 0]] = False
    if not loose.any():
        return points, False
    size = len(points)
    links = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(size, size))
    laplacian = sparse.diags(np.asarray(links.sum(axis=1)).ravel()) - links
    rows = laplacian.tocsr()[np.flatnonzero(loose)]
    around = rows[:, np.flatnonzero(~loose)] @ heights[~loose]
    solved = spsolve(rows[:, np.flatnonzero(loose)].tocsc(), -around)
    moved = points.copy()
    moved[loose] += np.maximum(solved - heights[loose], 0.0)[:, None] * up
    above = moved[loose] + THINNEST_STEPS * grid.step * up
    left = ndimage.map_coordinates(
        field, ((above @ grid.axes.T - grid.low) / grid.step).T, order=1, mode="nearest"
    )
    raised = np.flatnonzero(loose)[left > 0]
    out = points.copy()
    out[raised] = moved[raised]
    much = bool((np.abs(out - points).max(axis=1) > grid.step).any())
    return (out, True) if much else (points, False)


def deepen_hollows(
    points: Array, faces: NDArray[np.int64], seen: Flags, grid: Grid, field: Field, solid: Field, floor: float
) -> Field | None:
    """The field with hollows carved on under their unseen ground; None where there is none.

    `solid` is the field before anything was carved by colour: in its layers a wall's thickness is measured.
    The ground that is left above `floor` is as thick as the wall.
    """
    local = (points @ grid.axes.T - grid.low) / grid.step
    normals = vertex_normals(points, faces) @ grid.axes.T
    up = normals[:, 1] > FACING
    lateral = np.stack([_depth(layer > 0) for layer in np.moveaxis(solid, 1, 0)], axis=1)
    thick = ndimage.map_coordinates(lateral, local.T, order=1, mode="nearest")
    walls = seen & ~up & (thick > THINNEST_STEPS)
    ground = local[up & ~seen]
    at = np.clip(np.rint(ground[:, [0, 2]]).astype(np.int64), 0, grid.side - 1)
    trace = np.zeros((grid.side, grid.side), dtype=bool)
    trace[at[:, 0], at[:, 1]] = True
    # patches that lie close to each other in the plan are the ground of one hollow
    labels, count = ndimage.label(ndimage.binary_dilation(trace, iterations=SPREAD))
    bottom = (floor - grid.low[1]) / grid.step
    out = field
    for number in range(1, count + 1):
        below = ground[labels[at[:, 0], at[:, 1]] == number]
        wall = _wall_thickness(below, local[walls], normals[walls], thick[walls])
        if wall is None or below[:, 1].min() - bottom < wall + 1:
            continue
        plan = ndimage.binary_fill_holes(labels == number)
        room = np.minimum(lateral - wall, _shaft(plan, out, below[:, 1].max(), bottom + wall))
        out = np.minimum(out, -room * grid.step)
    return None if out is field else np.asarray(out, dtype=np.float32)


def _wall_thickness(ground: Array, walls: Array, normals: Array, thick: Array) -> float | None:
    """How thick the walls around a hollow's unseen ground are, None where they are not all around or uneven.

    All in grid coordinates, whose second is the height.
    """
    low, high = ground.min(axis=0), ground.max(axis=0)
    away = walls - (low + high) / 2
    near = ((walls >= low - WALL_STEPS) & (walls <= high + WALL_STEPS)).all(axis=1)
    # the inner sides
    near &= (away * normals)[:, [0, 2]].sum(axis=1) < -FACING * np.linalg.norm(away[:, [0, 2]], axis=1)
    if len(ground) < LEAST_GROUND or near.sum() < LEAST_GROUND:
        return None
    away = away[near]
    sectors = np.unique(np.floor(np.arctan2(away[:, 2], away[:, 0]) % (2 * np.pi) / (np.pi / 6)))
    usual = float(np.median(thick[near]))
    few, many = np.quantile(thick[near], [0.1, 0.9])
    return usual if len(sectors) >= 12 and many - few <= EVEN * usual else None


def _shaft(plan: NDArray[np.bool_], field: Field, top: float, bottom: float) -> Array:
    """About distances in steps (side,) * 3 into the shaft under a plan, from the ground down to `bottom`."""
    layers = np.arange(len(plan))
    ground = np.where(field > 0, layers[None, :, None], -1).max(axis=1)
    down = np.minimum(ground, np.ceil(top))[:, None, :] + 1.5 - layers[None, :, None]
    room = np.minimum(_depth(plan)[:, None, :], down)
    return np.asarray(np.minimum(room, (layers - bottom)[None, :, None]))


def _depth(inside: NDArray[np.bool_]) -> Array:
    """Distance in steps of each cell to the edge of what is inside, about negative outside."""
    return np.asarray(ndimage.distance_transform_edt(inside) - 0.5)


def _in_large_patches(edges: NDArray[np.int64], chosen: Flags) -> Flags:
    """Which chosen vertices (V,) hang together with enough others."""
    inner = edges[chosen[edges].all(axis=1)]
    size = len(chosen)
    graph = sparse.coo_matrix((np.ones(len(inner)), (inner[:, 0], inner[:, 1])), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    counts = np.bincount(labels, minlength=int(labels.max()) + 1)
    return np.asarray(chosen & (counts[labels] >= max(LEAST_PATCH, LEAST_SHARE * size)))


def _edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each edge (E, 2) once, of a closed mesh."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.asarray(edges[edges[:, 0] < edges[:, 1]])
