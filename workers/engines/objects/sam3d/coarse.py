"""The coarse shape of upstream's first stage: a mesh and Gaussians around its voxels, without colours."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter
from skimage.measure import marching_cubes

from workers.engines.objects.sam3d.errors import Sam3dObjectsContractError
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh

# Voxels along each axis of upstream's grid, whose cube is [-0.5, 0.5]³.
GRID = 64
# Empty voxels around the grid, and the blur before the surface is taken, in voxels. Chosen, not measured.
MARGIN, BLUR = 2, 0.7
# Nothing is known of the colour: a middle grey, nearly opaque.
GREY, OPACITY = 0.5, 0.95


def build_coarse_shape(voxels: NDArray[np.integer]) -> tuple[Gaussians, Mesh]:
    """A Gaussian per voxel (N, 3), and a closed mesh around them, in upstream's splat frame (z up).

    Raises Sam3dObjectsContractError for voxels outside the grid, and for none.
    """
    if voxels.ndim != 2 or voxels.shape[1] != 3 or not len(voxels):
        raise Sam3dObjectsContractError(f"upstream's voxels have the shape {voxels.shape}")
    if voxels.min() < 0 or voxels.max() >= GRID:
        raise Sam3dObjectsContractError(f"upstream's voxels lie outside its grid of {GRID}")
    centres = ((voxels + 0.5) / GRID - 0.5).astype(np.float32)
    count = len(centres)
    splat = Gaussians(
        means=centres,
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        scales=np.full((count, 3), 0.5 / GRID, np.float32),
        opacities=np.full(count, OPACITY, np.float32),
        colors=np.full((count, 3), GREY, np.float32),
    )
    grid = np.zeros((GRID + 2 * MARGIN,) * 3, dtype=np.bool_)
    grid[tuple((voxels + MARGIN).T)] = True
    soft = gaussian_filter(binary_fill_holes(grid).astype(np.float32), BLUR)
    # half of what a lone voxel keeps, where that is less than the middle between empty and full
    level = min(0.5, float(soft.max()) / 2)
    vertices, faces, _, _ = marching_cubes(soft, level, allow_degenerate=False)
    placed = (vertices - MARGIN + 0.5) / GRID - 0.5
    # marching cubes winds faces towards growing values
    return splat, Mesh(placed.astype(np.float64), faces[:, ::-1].astype(np.int64), None)
