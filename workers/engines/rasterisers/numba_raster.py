"""The CPU rasteriser: tiles in parallel by numba, forward and backward."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers import projection
from workers.engines.rasterisers.protocol import ALPHA_FLOOR, Array, Drawn, Gaussians, RasteriserMissing
from workers.geometry.posed import PosedCamera


class NumbaRasteriser:
    """Compiles at the first call, and keeps the machine code beside the module where it can."""

    name = "numba"

    def __init__(self) -> None:
        try:
            self._kernels: Any = importlib.import_module("workers.engines.rasterisers.numba_kernels")
        except ImportError as error:
            raise RasteriserMissing(
                "the CPU rasteriser needs numba: pip install 'maquette-server[raster]'"
            ) from error

    def draw(self, gaussians: Gaussians, view: PosedCamera) -> Drawn:
        """See `Rasteriser.draw`."""
        color, light, *_ = self._forward(gaussians, view)
        return Drawn(color, 1 - light)

    def gradients(
        self, gaussians: Gaussians, view: PosedCamera, color: Array, alpha: Array
    ) -> tuple[Drawn, Gaussians]:
        """See `Rasteriser.gradients`."""
        drawn, light, used, screen, lists, flat = self._forward(gaussians, view)
        uses = self._kernels.backward(*lists, *flat, light, used, color, alpha)
        found = self._kernels.gathered(lists[1], uses, len(screen.order))
        means, rotations, scales = projection.pull_back(gaussians, view, screen, found[:, :2], found[:, 2:5])
        order = screen.order
        return Drawn(drawn, 1 - light), Gaussians(
            _spread(means, order, gaussians.means),
            _spread(rotations, order, gaussians.rotations),
            _spread(scales, order, gaussians.scales),
            _spread(found[:, 5], order, gaussians.opacities),
            _spread(found[:, 6:], order, gaussians.colors),
        )

    def _forward(self, gaussians: Gaussians, view: PosedCamera) -> tuple[Any, ...]:
        screen = projection.project(gaussians, view)
        camera = view.camera
        tile = self._kernels.TILE
        across, down = -(-camera.width // tile), -(-camera.height // tile)
        lists = self._kernels.bins(screen.centres, screen.radii, across, down)
        flat = (
            screen.centres.astype(np.float32),
            screen.conics.astype(np.float32),
            screen.radii.astype(np.float32),
            np.log(np.maximum(gaussians.opacities[screen.order] / ALPHA_FLOOR, 1e-9)).astype(np.float32),
            gaussians.opacities[screen.order].astype(np.float32),
            gaussians.colors[screen.order].astype(np.float32),
        )
        color, light, used = self._kernels.forward(*lists, *flat, camera.width, camera.height)
        return color, light, used, screen, lists, flat


def _spread(found: NDArray[np.float64], order: NDArray[np.int64], like: Array) -> Array:
    out = np.zeros_like(like, dtype=np.float32)
    out[order] = found
    return out
