"""How similar images of two objects are: PSNR, and FLIP where flip-evaluator is installed."""

import importlib

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
BACKGROUND = (90, 120, 90)
# vertices (V, 3), faces (F, 3), sRGB (V, 3)
Surface = tuple[Array, NDArray[np.int64], NDArray[np.uint8]]


def photograph(surface: Surface, view: PosedCamera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The unshaded image (H, W, 3) of a surface in world coordinates, and its mask (H, W)."""
    vertices, faces, colors = surface
    image, depth = render_mesh(
        vertices, faces, colors, view.camera, view.cam_from_world, background=BACKGROUND, ambient=1.0
    )
    return image, np.isfinite(depth)


def compare_appearance(
    ours: Surface, truth: Surface, camera: Camera, views: list[Similarity]
) -> tuple[float, float]:
    """Mean PSNR in dB and FLIP of images of both surfaces, over the pixels that show either."""
    scores = []
    for view in views:
        image, mask = photograph(ours, PosedCamera(camera, view))
        true_image, true_mask = photograph(truth, PosedCamera(camera, view))
        shown = mask | true_mask
        scores.append((psnr(image, true_image, shown), flip(true_image, image, shown)))
    mean_psnr, mean_flip = np.mean(scores, axis=0)
    return float(mean_psnr), float(mean_flip)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Peak signal-to-noise ratio in dB over some pixels."""
    error = (a[where].astype(np.float64) - b[where]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-12)))


def flip(truth: NDArray[np.uint8], image: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Mean FLIP error (Andersson et al. 2020) over some pixels, NaN where flip-evaluator is not installed."""
    try:
        evaluator = importlib.import_module("flip_evaluator")
    except ImportError:
        return float("nan")
    error, _, _ = evaluator.evaluate(
        truth.astype(np.float32) / 255, image.astype(np.float32) / 255, "LDR", applyMagma=False
    )
    return float(error[..., 0][where].mean())
