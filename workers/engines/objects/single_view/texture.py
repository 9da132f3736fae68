"""Colours for all sides: the front from the image, the unseen back as a soft mirror of the front."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.geometry.boxes import mask_extent

LONG_SIDE = 384
ERODE = 1.5
FAINT = 1e-3
BACK_BLUR = 0.04
BACK_REACH = 0.12


@dataclass(frozen=True, slots=True)
class Texture:
    """Colours of the object's window of the image, filled outward, as float32 RGB in [0, 255].

    `front` and `back` are (h, w, 3); pixel (x, y) of the image is at (x - corner) * zoom.
    """

    front: NDArray[np.float32]
    back: NDArray[np.float32]
    corner: tuple[float, float]
    zoom: tuple[float, float]
    reach: float

    def sample(
        self, pixels: NDArray[np.float64], is_front: NDArray[np.bool_], distance: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """sRGB (N, 3) at image pixels (N, 2), `distance` (N,) pixels away from the rim.

        At the rim the back has the front's colour, and turns into its smoothed mirror image further in.
        """
        local = (pixels - np.asarray(self.corner)) * np.asarray(self.zoom) - 0.5
        front, back = _bilinear(self.front, local), _bilinear(self.back, local)
        share = np.where(is_front, 0.0, np.clip(distance / self.reach, 0, 1))[:, None]
        mixed = front * (1 - share) + back * share
        return np.asarray(np.clip(np.round(mixed), 0, 255), dtype=np.uint8)


def complete(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Texture:
    """Textures from an RGB image (H, W, 3) and a non-empty mask; only pixels of the mask are read.

    The outermost 1.5 pixels of the mask, which mix with the background, count only where nothing else does.
    """
    x0, y0, x1, y1 = mask_extent(mask)
    crop = np.pad(mask[y0:y1, x0:x1], 1)
    core = cv2.distanceTransform(crop.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] > ERODE
    weight = np.where(core, 1.0, FAINT).astype(np.float32) * crop[1:-1, 1:-1]
    color = image[y0:y1, x0:x1].astype(np.float32) * weight[..., None]
    ratio = min(1.0, LONG_SIDE / max(weight.shape))
    size = (max(1, round(weight.shape[1] * ratio)), max(1, round(weight.shape[0] * ratio)))
    if ratio < 1:
        color = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    color = color.reshape(size[1], size[0], 3)
    known = weight > FAINT * 0.5 if not core.any() else weight > 10 * FAINT
    clean = color / np.maximum(weight, 1e-9)[..., None]
    known |= _far_from(known, weight > 0, 4)
    source = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    front = clean[source[0], source[1]].astype(np.float32)
    sigma = max(BACK_BLUR * max(size), 0.5)
    inside = known.astype(np.float32)
    soft = cv2.GaussianBlur(front * inside[..., None], (0, 0), sigma).reshape(front.shape)
    soft = soft / np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-4)[..., None]
    back = np.where(known[..., None], soft, soft[source[0], source[1]]).astype(np.float32)
    zoom = (size[0] / (x1 - x0), size[1] / (y1 - y0))
    return Texture(front, back, (float(x0), float(y0)), zoom, max(BACK_REACH * max(crop.shape), 1.0))


def _far_from(known: NDArray[np.bool_], inside: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Pixels inside that lie more than `reach` from any known one: thin parts that erosion removed."""
    if not known.any():
        return inside
    return np.asarray(inside & (ndimage.distance_transform_edt(~known) > reach), dtype=np.bool_)


def _bilinear(image: NDArray[np.float32], local: NDArray[np.float64]) -> NDArray[np.float64]:
    where = [local[:, 1], local[:, 0]]
    channels = [ndimage.map_coordinates(image[..., k], where, order=1, mode="nearest") for k in range(3)]
    return np.stack(channels, axis=1).astype(np.float64)
