"""What no view sees, where the hull's guess is a poor one: undersides, and the ground of hollows.

Cameras that look down leave a roof of the hull under a table: an underside becomes as flat as its rim allows.
They see only the upper part of a deep hollow: it goes on down with the thickness of the wall that is seen.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from workers.engines.objects.multi_view.distance_field import Array, DistanceField, Distances, Grid
from workers.geometry.meshes import vertex_normals

Flags = NDArray[np.bool_]
# Cosine from which a normal counts as facing up, down or inwards.
MIN_COSINE = 0.4
# Lengths in steps of the grid: height above the floor from which a surface is an underside, the thinnest
# solid that is left above a raised one, and how far from a hollow's ground its walls are looked for.
STANDING_STEPS = 2.0
MIN_THICKNESS_STEPS = 2.0
WALL_REACH_STEPS = 8.0
# The smallest underside, in vertices and as a share of all.
MIN_PATCH_VERTICES, MIN_PATCH_SHARE = 12, 0.002
# The range of a hollow's wall thickness, 10% to 90%, as a share of its median, up to which it counts as even.
MAX_UNEVENNESS = 0.5
# Vertices that a hollow's unseen ground and its seen wall need; sectors of 30 degrees that the wall fills.
MIN_HOLLOW_VERTICES, SECTORS = 40, 12
# Steps by which patches of unseen ground are dilated to join those of one hollow.
JOIN_STEPS = 4


def flatten_undersides(
    points: Array, faces: NDArray[np.int64], visible: Flags, field: DistanceField, floor: float
) -> tuple[Array, bool]:
    """World vertices (V, 3) with undersides above `floor` raised to be flat, and whether any moved by a step.

    A patch's heights solve Laplace's equation from those around it, as a soap film nearly does; a vertex is
    only ever raised, and not where less than two steps of the solid would be left above it.
    """
    grid = field.grid
    up = grid.axes[1]
    heights = points @ up
    downward = vertex_normals(points, faces) @ up < -MIN_COSINE
    free = downward & ~visible & (heights > floor + STANDING_STEPS * grid.step)
    edges = _list_edges(faces)
    both_ways = np.concatenate([edges, edges[:, ::-1]])
    free = _keep_large_patches(edges, free)
    # the rim stays where the outlines have it
    free[both_ways[~free[both_ways[:, 1]], 0]] = False
    if not free.any():
        return points, False
    solved = _solve_laplace(both_ways, heights, free)
    moved = points.copy()
    moved[free] += np.maximum(solved - heights[free], 0.0)[:, None] * up
    above = moved[free] + MIN_THICKNESS_STEPS * grid.step * up
    remaining = ndimage.map_coordinates(field.values, grid.to_indices(above).T, order=1, mode="nearest")
    raised = np.flatnonzero(free)[remaining > 0]
    out = points.copy()
    out[raised] = moved[raised]
    moved_far = bool((np.abs(out - points).max(axis=1) > grid.step).any())
    return (out, True) if moved_far else (points, False)


def deepen_hollows(
    points: Array,
    faces: NDArray[np.int64],
    visible: Flags,
    field: DistanceField,
    hull: DistanceField,
    floor: float,
) -> DistanceField | None:
    """The field with hollows carved on under their unseen ground; None where there is none.

    `hull` is the field before carving by colour: in its layers a wall's thickness is measured. The ground
    that is left above `floor` is as thick as the wall.
    """
    grid = field.grid
    local = grid.to_indices(points)
    normals = vertex_normals(points, faces) @ grid.axes.T
    upward = normals[:, 1] > MIN_COSINE
    lateral = np.stack([_inner_distance(layer > 0) for layer in np.moveaxis(hull.values, 1, 0)], axis=1)
    thickness = ndimage.map_coordinates(lateral, local.T, order=1, mode="nearest")
    walls = visible & ~upward & (thickness > MIN_THICKNESS_STEPS)
    ground = local[upward & ~visible]
    plan, labels, count = _label_hollows(ground, grid)
    bottom = (floor - grid.low[1]) / grid.step
    values = field.values
    for number in range(1, count + 1):
        below = ground[labels[plan[:, 0], plan[:, 1]] == number]
        wall = _measure_wall(below, local[walls], normals[walls], thickness[walls])
        if wall is None or below[:, 1].min() - bottom < wall + 1:
            continue
        outline = ndimage.binary_fill_holes(labels == number)
        room = np.minimum(lateral - wall, _shaft(outline, values, below[:, 1].max(), bottom + wall))
        values = np.minimum(values, -room * grid.step)
    return None if values is field.values else field.with_values(np.asarray(values, dtype=np.float32))


def _label_hollows(ground: Array, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Cells (N, 2) of the ground in plan, labels (side, side) of the hollows, their number.

    Patches that lie close to each other in plan are the ground of one hollow.
    """
    plan = np.clip(np.rint(ground[:, [0, 2]]).astype(np.int64), 0, grid.side - 1)
    occupied = np.zeros((grid.side, grid.side), dtype=bool)
    occupied[plan[:, 0], plan[:, 1]] = True
    labels, count = ndimage.label(ndimage.binary_dilation(occupied, iterations=JOIN_STEPS))
    return plan, labels.astype(np.int64), int(count)


def _measure_wall(ground: Array, walls: Array, normals: Array, thickness: Array) -> float | None:
    """Median thickness in steps of the wall around a hollow's unseen ground.

    None where the wall is not all around or uneven. All in grid coordinates, whose second is the height.
    """
    low, high = ground.min(axis=0), ground.max(axis=0)
    outward = walls - (low + high) / 2
    near = ((walls >= low - WALL_REACH_STEPS) & (walls <= high + WALL_REACH_STEPS)).all(axis=1)
    # only the inner sides
    radial = (outward * normals)[:, [0, 2]].sum(axis=1)
    near &= radial < -MIN_COSINE * np.linalg.norm(outward[:, [0, 2]], axis=1)
    if len(ground) < MIN_HOLLOW_VERTICES or near.sum() < MIN_HOLLOW_VERTICES:
        return None
    outward = outward[near]
    angles = np.arctan2(outward[:, 2], outward[:, 0]) % (2 * np.pi)
    sectors = np.unique(np.floor(angles / (2 * np.pi / SECTORS)))
    median = float(np.median(thickness[near]))
    low_end, high_end = np.quantile(thickness[near], [0.1, 0.9])
    return median if len(sectors) >= SECTORS and high_end - low_end <= MAX_UNEVENNESS * median else None


def _shaft(plan: Flags, values: Distances, top: float, bottom: float) -> Array:
    """About distances in steps (side, side, side) into the shaft under a plan, from ground to `bottom`."""
    layers = np.arange(len(plan))
    ground = np.where(values > 0, layers[None, :, None], -1).max(axis=1)
    down = np.minimum(ground, np.ceil(top))[:, None, :] + 1.5 - layers[None, :, None]
    room = np.minimum(_inner_distance(plan)[:, None, :], down)
    return np.asarray(np.minimum(room, (layers - bottom)[None, :, None]))


def _inner_distance(inside: Flags) -> Array:
    """Distance in steps of each cell to the edge of what is inside, about -0.5 outside."""
    return np.asarray(ndimage.distance_transform_edt(inside) - 0.5)


def _solve_laplace(both_ways: NDArray[np.int64], heights: Array, free: Flags) -> Array:
    """Heights of the free vertices that are the mean of their neighbours'; the others keep theirs."""
    size = len(heights)
    ones = np.ones(len(both_ways))
    links = sparse.csr_matrix((ones, (both_ways[:, 0], both_ways[:, 1])), shape=(size, size))
    laplacian = sparse.diags(np.asarray(links.sum(axis=1)).ravel()) - links
    rows = laplacian.tocsr()[np.flatnonzero(free)]
    fixed = rows[:, np.flatnonzero(~free)] @ heights[~free]
    return np.asarray(spsolve(rows[:, np.flatnonzero(free)].tocsc(), -fixed))


def _keep_large_patches(edges: NDArray[np.int64], chosen: Flags) -> Flags:
    """Which chosen vertices (V,) are connected with enough others."""
    inner = edges[chosen[edges].all(axis=1)]
    size = len(chosen)
    graph = sparse.coo_matrix((np.ones(len(inner)), (inner[:, 0], inner[:, 1])), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    counts = np.bincount(labels, minlength=int(labels.max()) + 1)
    return np.asarray(chosen & (counts[labels] >= max(MIN_PATCH_VERTICES, MIN_PATCH_SHARE * size)))


def _list_edges(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each edge (E, 2) of a closed mesh once."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.asarray(edges[edges[:, 0] < edges[:, 1]])
