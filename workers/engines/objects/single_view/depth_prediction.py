"""What the network says of an object: the depth of its front and of its back, read off the image.

The network sees a crop (`prior_input`) and gives for each pixel both depths in the object's size, with the
scale of their errors.
"""

import threading
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.engines.objects.single_view.prior_input import PriorCrop, build_prior_crop
from workers.engines.protocols import Mask, Rgb
from workers.engines.weights import open_session
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
WEIGHTS = "shape_prior.onnx"
# Factor of the object's depth where none is measured: the network's depths are means of what the object may
# be, and flatter than each of it, by more than the factor that the network gives itself. On 52 held-out
# objects of the first half 1.0 and 1.1 reach IoU 0.585 and 0.590 and F@.05 0.581 and 0.582; with depth every
# factor loses.
STRETCH = 1.1
# Crops whose depths are averaged: degrees of roll, zoom, and whether the mirror image is seen, so that the
# mirror image of a photo gives the mirror image. On 81 held-out views of the first half the four lower the
# front's error by 0.002 of the size, and what 512 instead of 256 pixels change from 0.012 to 0.007 of the
# volume's IoU; up to ten crops do no more, their median less. With depth only the plain crop is seen.
CROPS = ((-5.0, 1.0, False), (5.0, 1.0, True), (5.0, 1.06, False), (-5.0, 1.06, True))
_session_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class TwoSidedDepth:
    """Depths of an object's front and back on its crop, (SIDE, SIDE) each: z where its middle stands at 1.

    `error` (SIDE, SIDE) is the scale of the front's error that the network expects, in the same unit;
    `expected_error` the mean of front and back, in sizes of the object. Values outside the crop's mask are
    those of the nearest pixel inside.
    """

    crop: PriorCrop
    front: Array
    back: Array
    error: Array
    expected_error: float

    def sample(self, values: Array, rays: Array) -> Array:
        """Values (SIDE, SIDE) on rays (N, 3) of the real camera."""
        column, row = self.crop.project(rays).T - 0.5
        return np.asarray(ndimage.map_coordinates(values, [row, column], order=1, mode="nearest"))


def predict_depths(
    image: Rgb, mask: Mask, camera: Camera, depth: NDArray[np.float32] | None = None
) -> TwoSidedDepth:
    """The network's depths of a non-empty mask: the mean of those of several crops and mirror images."""
    build = partial(build_prior_crop, image, mask, camera)
    plain = build(depth)
    if not plain.mask.any():
        return _assume_flat(plain)
    crops = [(plain, False), (plain, True)]
    if not plain.is_measured:
        others = [(build(roll=roll, zoom=zoom), mirrored) for roll, zoom, mirrored in CROPS]
        crops = [(crop, mirrored) for crop, mirrored in others if crop.mask.any()] or crops
    values = np.mean([_predict(crop, plain, mirrored=mirrored) for crop, mirrored in crops], axis=0)
    depths, errors = values[:2], values[2:]
    if not plain.is_measured:
        depths = depths * STRETCH
    rows, columns = _find_nearest(plain.mask)
    front, back = 1 + depths[:, rows, columns]
    expected = float(errors[:, plain.mask].mean()) / plain.extent
    return TwoSidedDepth(plain, front, back, errors[0][rows, columns], expected)


def _assume_flat(crop: PriorCrop) -> TwoSidedDepth:
    """What is too thin to be seen in a crop."""
    flat = np.ones(crop.mask.shape)
    return TwoSidedDepth(crop, flat, flat, crop.extent * flat, 1.0)


def _predict(crop: PriorCrop, target: PriorCrop, *, mirrored: bool) -> Array:
    """What the network says of a crop whose mask is not empty, or of its mirror image, on another's pixels.

    (4, SIDE, SIDE): depths of front and back about the object's middle and their expected errors, where the
    middle stands at 1. The crops differ in roll and zoom alone, so that z is the same.
    """
    where = crop.mask
    turn = -1 if mirrored else 1
    values = np.concatenate(_run(crop.channels[..., ::turn], crop.tangent, where[:, ::turn]))
    values = values[..., ::turn] * crop.extent
    if crop is target:
        return values
    rows, columns = _find_nearest(where)
    column, row = crop.project(target.list_rays()).T - 0.5
    moved = [
        ndimage.map_coordinates(part, [row, column], order=1, mode="nearest")
        for part in values[:, rows, columns]
    ]
    return np.reshape(moved, values.shape)


def _find_nearest(where: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns (SIDE, SIDE) of the nearest pixel in a mask."""
    rows, columns = ndimage.distance_transform_edt(~where, return_distances=False, return_indices=True)
    return rows, columns


def _run(channels: NDArray[np.float32], tangent: float, where: Mask) -> tuple[Array, Array]:
    """Depths of front and back about the object's middle, and their expected errors, (2, SIDE, SIDE) each."""
    inputs = {
        "crop": np.ascontiguousarray(channels[None]),
        "tangent": np.array([tangent], dtype=np.float32),
    }
    with _session_lock:
        depths, scales = _session().run(None, inputs)
    depths = depths[0].astype(np.float64)
    middle = (depths[0, where].min() + depths[1, where].max()) / 2
    return depths - middle, np.exp(scales[0].astype(np.float64))


@lru_cache(maxsize=1)
def _session() -> Any:
    return open_session(WEIGHTS, threads=1)
