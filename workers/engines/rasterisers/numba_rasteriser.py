"""The CPU rasteriser: Gaussians and tiles in parallel by numba, forward and backward."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.rasterisers.protocol import (
    ALPHA_FLOOR,
    LOW_PASS,
    PLAIN,
    GaussianGradients,
    RasteriserMissing,
    Rendering,
    RenderOptions,
    hide_unseen,
)
from workers.geometry.gaussians import Array, Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.spherical_harmonics import pull_back_colors, view_colors


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ForwardPass:
    """The result of a forward pass, with what the backward pass needs of it.

    `color` (H, W, 3), `light` (H, W), the transmittance that is left, and `used` (H, W), how many Gaussians
    of its tile each pixel used. `order` (M,) are the indices of the visible Gaussians, nearest first, and
    `depths` (M,) their z and `conics` (M, 3) their inverse screen covariances. `bins` are the starts and
    entries of the tiles' lists, `projected` the values of the M Gaussians that the kernels take, `pose` the
    rotation, translation and intrinsics of the camera.
    """

    color: Array
    light: Array
    used: NDArray[np.int32]
    order: NDArray[np.int64]
    depths: NDArray[np.float64]
    conics: NDArray[np.float64]
    bins: tuple[Any, Any]
    projected: tuple[Array, ...]
    pose: tuple[Any, Any, Any]

    def rendering(self) -> Rendering:
        """The colours and the alpha of the pass."""
        return Rendering(self.color, 1 - self.light)


class NumbaRasteriser:
    """Compiles at the first call, and keeps the machine code beside the module where it can."""

    name = "numba"

    def __init__(self) -> None:
        """Import the kernels; raises RasteriserMissing without numba."""
        try:
            self._kernels: Any = importlib.import_module("workers.engines.rasterisers.numba_kernels")
            self._projection: Any = importlib.import_module("workers.engines.rasterisers.numba_projection")
        except ImportError as error:
            raise RasteriserMissing(
                "the CPU rasteriser needs numba: pip install 'maquette-server[raster]'"
            ) from error

    def render(self, gaussians: Gaussians, view: PosedCamera, options: RenderOptions = PLAIN) -> Rendering:
        """See `Rasteriser.render`."""
        result = self._forward(gaussians, view, anti_aliased=options.anti_aliased)
        rendering = result.rendering()
        if not options.depth:
            return rendering
        *shape, _ = result.projected
        # the same weights blend depths in place of colours
        depths = np.repeat(result.depths.astype(np.float32)[:, None], 3, axis=1)
        weighted, _, _ = self._kernels.forward(
            *result.bins, *shape, depths, view.camera.width, view.camera.height
        )
        alpha = rendering.alpha
        depth = weighted[..., 0] / np.maximum(alpha, ALPHA_FLOOR)
        return Rendering(rendering.color, alpha, hide_unseen(depth, alpha))

    def backward(
        self, gaussians: Gaussians, view: PosedCamera, by_color: Array, by_alpha: Array
    ) -> tuple[Rendering, GaussianGradients]:
        """See `Rasteriser.backward`."""
        result = self._forward(gaussians, view)
        order = result.order
        per_entry = self._kernels.backward(
            *result.bins, *result.projected, result.light, result.used, by_color, by_alpha
        )
        by_projected = self._kernels.sum_entries(result.bins[1], per_entry, len(order))
        means, rotations, scales = self._projection.pull_back(
            gaussians.means,
            gaussians.rotations,
            gaussians.scales,
            order,
            result.conics,
            by_projected,
            *result.pose,
        )
        by_colors = _scatter(by_projected[:, 6:], order, gaussians.colors)
        by_means, by_harmonics = _scatter(means, order, gaussians.means), None
        if gaussians.harmonics is not None:
            seen = _scatter(result.projected[-1].astype(np.float64), order, gaussians.colors)
            by_colors, by_harmonics, by_direction = pull_back_colors(
                gaussians.harmonics, gaussians.means, _find_eye(view), seen, by_colors
            )
            by_means += by_direction
        return result.rendering(), GaussianGradients(
            by_means,
            _scatter(rotations, order, gaussians.rotations),
            _scatter(scales, order, gaussians.scales),
            _scatter(by_projected[:, 5], order, gaussians.opacities),
            by_colors,
            by_harmonics,
        )

    def _forward(self, gaussians: Gaussians, view: PosedCamera, *, anti_aliased: bool = False) -> ForwardPass:
        camera = view.camera
        pose = _pose_arrays(view)
        depths, centres, conics, radii = self._projection.project(
            gaussians.means, gaussians.rotations, gaussians.scales, gaussians.opacities, *pose
        )
        visible = np.flatnonzero(np.isfinite(depths))
        order = visible[np.argsort(depths[visible], kind="stable")]
        tile = self._kernels.TILE
        across, down = -(-camera.width // tile), -(-camera.height // tile)
        conics = conics[order]
        bins = self._kernels.bin_tiles(centres[order], radii[order], across, down)
        opacities = gaussians.opacities[order]
        if anti_aliased:
            opacities = (opacities * _measure_compensation(conics)).astype(np.float32)
        projected = (
            centres[order].astype(np.float32),
            conics.astype(np.float32),
            radii[order].astype(np.float32),
            np.log(np.maximum(opacities / ALPHA_FLOOR, 1e-9)).astype(np.float32),
            opacities.astype(np.float32),
            _colors(gaussians, view)[order].astype(np.float32),
        )
        color, light, used = self._kernels.forward(*bins, *projected, camera.width, camera.height)
        return ForwardPass(
            color=color,
            light=light,
            used=used,
            order=order,
            depths=depths[order],
            conics=conics,
            bins=bins,
            projected=projected,
            pose=pose,
        )


def _colors(gaussians: Gaussians, view: PosedCamera) -> Array:
    """The colours (N, 3) that the camera sees."""
    return view_colors(gaussians.colors, gaussians.harmonics, gaussians.means, _find_eye(view))


def _find_eye(view: PosedCamera) -> NDArray[np.float64]:
    """The camera's place (3,) in the world."""
    return np.asarray(view.cam_from_world.inverse().apply(np.zeros((1, 3)))[0])


def _measure_compensation(conics: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of light (M,) that the low-pass filter leaves to each Gaussian: the ratio of their areas."""
    xx, xy, yy = conics.T
    blurred = 1 / (xx * yy - xy * xy)
    own = (yy * blurred - LOW_PASS) * (xx * blurred - LOW_PASS) - (xy * blurred) ** 2
    return np.asarray(np.sqrt(np.maximum(own, 0) / blurred))


def _pose_arrays(view: PosedCamera) -> tuple[Any, Any, Any]:
    """World-to-camera rotation (3, 3) and translation (3,), and fx, fy, cx, cy, width, height (6,)."""
    camera = view.camera
    intrinsics = [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]
    return (
        np.ascontiguousarray(view.cam_from_world.rotation_matrix(), dtype=np.float64),
        np.asarray(view.cam_from_world.translation, dtype=np.float64),
        np.asarray(intrinsics, dtype=np.float64),
    )


def _scatter(values: NDArray[np.float64], order: NDArray[np.int64], like: Array) -> Array:
    """float32 zeros in the shape of `like`, with `values` at the rows of `order`."""
    out = np.zeros_like(like, dtype=np.float32)
    out[order] = values
    return out
