"""Cleaning upstream's splat and mesh: finite values, bounded sizes, closed where possible."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh

# Bounds of what a job writes. Chosen, not measured.
MAX_FACES, MAX_GAUSSIANS = 100_000, 1_500_000
# Mesh around a splat alone: bounds of the cells along its longest side; Gaussians per cell of its surface.
MIN_CELLS, MAX_CELLS, GAUSSIANS_PER_CELL = 24, 96, 6
# Cells around the object, iterations that close gaps between Gaussians, and the blur of the grid, in cells.
MARGIN, CLOSING, BLUR = 6, 2, 1.0
# Level of the blurred grid at which the surface lies: a little outside the middle between empty and full.
SURFACE_LEVEL = 0.45
# Opacity above which a Gaussian counts as solid, and how many have to be.
SOLID_OPACITY, MIN_SOLID = 0.3, 100


def cap_splat(splat: Gaussians) -> tuple[Gaussians, bool]:
    """At most 1.5 million Gaussians, the largest and most opaque, and whether some were dropped."""
    if len(splat) <= MAX_GAUSSIANS:
        return splat, False
    worth = splat.opacities * splat.scales.max(axis=1)
    kept = np.sort(np.argsort(-worth, kind="stable")[:MAX_GAUSSIANS])
    return splat.select(kept), True


def repair_mesh(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], colors: NDArray[np.uint8] | None
) -> tuple[Mesh, bool]:
    """The mesh without invalid faces, with holes filled and at most `MAX_FACES`, and whether it is closed.

    Raises ValueError for a mesh without a valid face.
    """
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(vertices).all(axis=1))
    faces = faces[((faces >= 0) & (faces < len(vertices))).all(axis=1)]
    faces = faces[finite[faces].all(axis=1)]
    solid = trimesh.Trimesh(np.where(finite[:, None], vertices, 0.0), faces, process=False)
    solid.update_faces(solid.nondegenerate_faces())
    solid.merge_vertices()
    if not len(solid.faces):
        raise ValueError("the mesh has no valid face")
    trimesh.repair.fill_holes(solid)
    trimesh.repair.fix_normals(solid)
    if len(solid.faces) > MAX_FACES:
        solid = solid.simplify_quadric_decimation(face_count=MAX_FACES)
    placed = np.asarray(solid.vertices, dtype=np.float64)
    tint = None if colors is None else colors[finite][cKDTree(vertices[finite]).query(placed)[1]]
    return Mesh(placed, np.asarray(solid.faces, dtype=np.int64), tint), bool(solid.is_watertight)


def mesh_from_splat(splat: Gaussians) -> Mesh:
    """A closed mesh around a splat alone: its opaque Gaussians as cells, closed and filled.

    Raises ValueError when too few are opaque to enclose anything.
    """
    solid = splat.opacities > SOLID_OPACITY
    points = splat.means[solid].astype(np.float64)
    if len(points) < MIN_SOLID:
        raise ValueError("the splat has too few opaque Gaussians for a mesh")
    low, high = points.min(axis=0), points.max(axis=0)
    across = int(np.clip(np.sqrt(len(points) / GAUSSIANS_PER_CELL), MIN_CELLS, MAX_CELLS))
    cell = float((high - low).max()) / across
    size = np.ceil((high - low) / cell).astype(int) + 2 * MARGIN + 1
    grid = np.zeros(size, dtype=np.bool_)
    places = np.floor((points - low) / cell).astype(int) + MARGIN
    grid[tuple(places.T)] = True
    grid = binary_fill_holes(binary_closing(grid, iterations=CLOSING))
    soft = gaussian_filter(grid.astype(np.float32), BLUR)
    # a few scattered Gaussians enclose nothing: then the surface lies around each of them
    level = min(SURFACE_LEVEL, float(soft.max()) / 2)
    vertices, faces, _, _ = marching_cubes(soft, level, allow_degenerate=False)
    placed = (vertices - MARGIN + 0.5) * cell + low
    near = cKDTree(points).query(placed)[1]
    tint = np.round(255 * splat.colors[solid][near]).astype(np.uint8)
    # marching cubes winds faces towards growing values
    return Mesh(placed, faces[:, ::-1].astype(np.int64), tint)
