"""How well a shape agrees with the front that the network reads off the image."""

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.mask_view import MaskView
from workers.geometry.mesh_renderer import rasterize

Array = NDArray[np.float64]


def measure_disagreement(vertices: Array, faces: NDArray[np.int64], view: MaskView) -> float:
    """The mean difference between a mesh's front and the network's, in sizes of the object.

    The distance of the whole object does not count: neither an outline nor the network knows it. The mesh
    (V, 3) stands at about z = 1; infinite where it covers nothing of the mask.
    """
    coarse, predicted = view.coarse, view.predicted
    depth = rasterize(vertices, faces, coarse.camera).depth
    rows, columns = np.nonzero(np.isfinite(depth) & coarse.mask)
    if not len(rows):
        return float("inf")
    pixels = np.stack([columns, rows], axis=1).astype(np.float64) + 0.5
    rays = coarse.camera.unproject(pixels, np.ones(len(pixels)))
    front = predicted.crop.to_real_depth(rays, predicted.sample(predicted.front, rays))
    own = depth[rows, columns]
    difference = front - own * np.median(front / own)
    return float(np.abs(difference).mean() / predicted.crop.extent)
