"""How like pictures of two objects are: PSNR, and FLIP where flip-evaluator is installed."""

import importlib

import numpy as np
from numpy.typing import NDArray

from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

Array = NDArray[np.float64]
BACKGROUND = (90, 120, 90)
Surface = tuple[Array, NDArray[np.int64], NDArray[np.uint8]]


def photograph(surface: Surface, view: PosedCamera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The unshaded picture of coloured world vertices (V, 3), faces (F, 3), and where the object is."""
    vertices, faces, colors = surface
    image, depth = render_mesh(
        vertices, faces, colors, view.camera, view.cam_from_world, background=BACKGROUND, ambient=1.0
    )
    return image, np.isfinite(depth)


def likeness(made: Surface, truth: Surface, camera: Camera, views: list[Similarity]) -> tuple[float, float]:
    """Mean PSNR in dB and FLIP of pictures of one beside the other, where either is."""
    found = []
    for view in views:
        (drawn, here), (wanted, there) = (photograph(one, PosedCamera(camera, view)) for one in (made, truth))
        found.append((psnr(drawn, wanted, here | there), flip(wanted, drawn, here | there)))
    quality, error = np.mean(found, axis=0)
    return float(quality), float(error)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Peak signal to noise in dB over some pixels."""
    error = (a[where].astype(np.float64) - b[where]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-12)))


def flip(truth: NDArray[np.uint8], drawn: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """Mean FLIP error (Andersson et al. 2020) over some pixels, NaN where flip-evaluator is not installed."""
    try:
        evaluator = importlib.import_module("flip_evaluator")
    except ImportError:
        return float("nan")
    error, _, _ = evaluator.evaluate(
        truth.astype(np.float32) / 255, drawn.astype(np.float32) / 255, "LDR", applyMagma=False
    )
    return float(error[..., 0][where].mean())
