"""The CPU rasteriser: Gaussians and tiles in parallel by numba, forward and backward."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.protocol import ALPHA_FLOOR, Array, Drawn, Gaussians, RasteriserMissing
from workers.geometry.posed import PosedCamera


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What a forward pass leaves to the backward one: `order` (M,) has the places of what is seen, nearest
    first; `lists` which of them touch each tile, `flat` their values, `pose` the camera's pose and lens.
    """

    color: Array
    light: Array
    used: NDArray[np.int32]
    order: NDArray[np.int64]
    conics: NDArray[np.float64]
    lists: tuple[Any, Any]
    flat: tuple[Array, ...]
    pose: tuple[Any, Any, Any]


class NumbaRasteriser:
    """Compiles at the first call, and keeps the machine code beside the module where it can."""

    name = "numba"

    def __init__(self) -> None:
        try:
            self._kernels: Any = importlib.import_module("workers.engines.rasterisers.numba_kernels")
            self._projection: Any = importlib.import_module("workers.engines.rasterisers.numba_projection")
        except ImportError as error:
            raise RasteriserMissing(
                "the CPU rasteriser needs numba: pip install 'maquette-server[raster]'"
            ) from error

    def draw(self, gaussians: Gaussians, view: PosedCamera) -> Drawn:
        """See `Rasteriser.draw`."""
        done = self._forward(gaussians, view)
        return Drawn(done.color, 1 - done.light)

    def gradients(
        self, gaussians: Gaussians, view: PosedCamera, color: Array, alpha: Array
    ) -> tuple[Drawn, Gaussians]:
        """See `Rasteriser.gradients`."""
        done = self._forward(gaussians, view)
        order = done.order
        uses = self._kernels.backward(*done.lists, *done.flat, done.light, done.used, color, alpha)
        found = self._kernels.gathered(done.lists[1], uses, len(order))
        means, rotations, scales = self._projection.pull_back(
            gaussians.means, gaussians.rotations, gaussians.scales, order, done.conics, found, *done.pose
        )
        return Drawn(done.color, 1 - done.light), Gaussians(
            _spread(means, order, gaussians.means),
            _spread(rotations, order, gaussians.rotations),
            _spread(scales, order, gaussians.scales),
            _spread(found[:, 5], order, gaussians.opacities),
            _spread(found[:, 6:], order, gaussians.colors),
        )

    def _forward(self, gaussians: Gaussians, view: PosedCamera) -> Pass:
        camera = view.camera
        lens = [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]
        pose = (
            np.ascontiguousarray(view.cam_from_world.rotation_matrix(), dtype=np.float64),
            np.asarray(view.cam_from_world.translation, dtype=np.float64),
            np.asarray(lens, dtype=np.float64),
        )
        depths, centres, conics, radii = self._projection.project(
            gaussians.means, gaussians.rotations, gaussians.scales, gaussians.opacities, *pose
        )
        seen = np.flatnonzero(np.isfinite(depths))
        order = seen[np.argsort(depths[seen], kind="stable")]
        tile = self._kernels.TILE
        across, down = -(-camera.width // tile), -(-camera.height // tile)
        conics = conics[order]
        lists = self._kernels.bins(centres[order], radii[order], across, down)
        opacities = gaussians.opacities[order]
        flat = (
            centres[order].astype(np.float32),
            conics.astype(np.float32),
            radii[order].astype(np.float32),
            np.log(np.maximum(opacities / ALPHA_FLOOR, 1e-9)).astype(np.float32),
            opacities.astype(np.float32),
            gaussians.colors[order].astype(np.float32),
        )
        color, light, used = self._kernels.forward(*lists, *flat, camera.width, camera.height)
        return Pass(color, light, used, order, conics, lists, flat, pose)


def _spread(found: NDArray[np.float64], order: NDArray[np.int64], like: Array) -> Array:
    out = np.zeros_like(like, dtype=np.float32)
    out[order] = found
    return out
