"""From upstream's raw splat and mesh to ones that can be trusted: finite, capped, closed where possible."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh

MOST_FACES, MOST_SPLATS = 100_000, 1_500_000
# a splat's own mesh: cells along its longest side, and how many Gaussians its surface needs for each
FEWEST_CELLS, MOST_CELLS, SPLATS_A_FACE = 24, 96, 6
SOLID_OPACITY = 0.3


def capped(splat: Gaussians) -> tuple[Gaussians, bool]:
    """At most 1.5 million Gaussians, the largest and most opaque; and whether some were left out."""
    if len(splat) <= MOST_SPLATS:
        return splat, False
    worth = splat.opacities * splat.scales.max(axis=1)
    kept = np.sort(np.argsort(-worth, kind="stable")[:MOST_SPLATS])
    return splat.select(kept), True


def repaired(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], colors: NDArray[np.uint8] | None
) -> tuple[Mesh, bool]:
    """The mesh without broken faces, with small holes filled and few enough faces; and whether it is closed.

    Raises ValueError for a mesh that has nothing left.
    """
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(vertices).all(axis=1))
    faces = faces[((faces >= 0) & (faces < len(vertices))).all(axis=1)]
    faces = faces[finite[faces].all(axis=1)]
    solid = trimesh.Trimesh(np.where(finite[:, None], vertices, 0.0), faces, process=False)
    solid.update_faces(solid.nondegenerate_faces())
    solid.merge_vertices()
    if not len(solid.faces):
        raise ValueError("the mesh has no face that is whole")
    trimesh.repair.fill_holes(solid)
    trimesh.repair.fix_normals(solid)
    if len(solid.faces) > MOST_FACES:
        solid = solid.simplify_quadric_decimation(face_count=MOST_FACES)
    placed = np.asarray(solid.vertices, dtype=np.float64)
    tint = None if colors is None else colors[finite][cKDTree(vertices[finite]).query(placed)[1]]
    return Mesh(placed, np.asarray(solid.faces, dtype=np.int64), tint), bool(solid.is_watertight)


def mesh_of(splat: Gaussians) -> Mesh:
    """A closed mesh around a splat alone: its opaque Gaussians as cells, closed and filled.

    Raises ValueError when too few are opaque to enclose anything.
    """
    solid = splat.opacities > SOLID_OPACITY
    points = splat.means[solid].astype(np.float64)
    if len(points) < 100:
        raise ValueError("the splat has too few opaque Gaussians for a mesh")
    low, high = points.min(axis=0), points.max(axis=0)
    across = int(np.clip(np.sqrt(len(points) / SPLATS_A_FACE), FEWEST_CELLS, MOST_CELLS))
    cell = float((high - low).max()) / across
    margin = 6
    size = np.ceil((high - low) / cell).astype(int) + 2 * margin + 1
    grid = np.zeros(size, dtype=np.bool_)
    places = np.floor((points - low) / cell).astype(int) + margin
    grid[tuple(places.T)] = True
    grid = binary_fill_holes(binary_closing(grid, iterations=2))
    soft = gaussian_filter(grid.astype(np.float32), 1.0)
    vertices, faces, _, _ = marching_cubes(soft, 0.45, allow_degenerate=False)
    placed = (vertices - margin + 0.5) * cell + low
    near = cKDTree(points).query(placed)[1]
    tint = np.round(255 * splat.colors[solid][near]).astype(np.uint8)
    # marching cubes winds faces towards growing values
    return Mesh(placed, faces[:, ::-1].astype(np.int64), tint)
