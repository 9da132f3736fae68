"""Colours for all sides: the front from the image, the unseen back as a soft mirror image of the front."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.geometry.boxes import mask_extent
from workers.geometry.image_sampling import sample_bilinear

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rgb32 = NDArray[np.float32]
# Longest side of the textures, in pixels.
LONG_SIDE = 384
# Pixels at the mask's edge that mix with the background, and their weight beside 1.
MIXED_PIXELS, MIXED_WEIGHT = 1.5, 1e-3
# Thin parts, farther than so many pixels from any unmixed one, take their mixed colours.
THIN_REACH = 4
# Standard deviation of the back's blur, and distance from the rim over which it replaces the front's colours,
# as shares of the longer side.
BACK_BLUR, BACK_TRANSITION = 0.04, 0.12


@dataclass(frozen=True, slots=True)
class ImageTexture:
    """Colours of the object's crop of the image, filled outward, as float32 RGB in [0, 255].

    `front` and `back` are (h, w, 3); pixel (x, y) of the image is at (x - corner) * zoom. The back's colours
    are mixed in over `transition` pixels.
    """

    front: Rgb32
    back: Rgb32
    corner: tuple[float, float]
    zoom: tuple[float, float]
    transition: float

    def sample(self, pixels: Array, is_front: Mask, distance: Array) -> NDArray[np.uint8]:
        """sRGB (N, 3) at image pixels (N, 2), `distance` (N,) pixels away from the rim.

        At the rim the back has the front's colour, and turns into its smoothed mirror image further in.
        """
        local = (pixels - np.asarray(self.corner)) * np.asarray(self.zoom)
        front, back = sample_bilinear(self.front, local), sample_bilinear(self.back, local)
        share = np.where(is_front, 0.0, np.clip(distance / self.transition, 0, 1))[:, None]
        mixed = front * (1 - share) + back * share
        return np.asarray(np.clip(np.round(mixed), 0, 255), dtype=np.uint8)


def complete_texture(image: NDArray[np.uint8], mask: Mask) -> ImageTexture:
    """Textures from an RGB image (H, W, 3) and a non-empty mask; only pixels of the mask are read.

    The outermost 1.5 pixels of the mask, which mix with the background, count only where nothing else does.
    """
    x0, y0, x1, y1 = mask_extent(mask)
    crop = mask[y0:y1, x0:x1]
    core = _find_core(crop)
    weight = np.where(core, 1.0, MIXED_WEIGHT).astype(np.float32) * crop
    color = image[y0:y1, x0:x1].astype(np.float32) * weight[..., None]
    ratio = min(1.0, LONG_SIDE / max(weight.shape))
    size = (max(1, round(weight.shape[1] * ratio)), max(1, round(weight.shape[0] * ratio)))
    if ratio < 1:
        color = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    color = color.reshape(size[1], size[0], 3)
    known = weight > (10 * MIXED_WEIGHT if core.any() else MIXED_WEIGHT * 0.5)
    unmixed = color / np.maximum(weight, 1e-9)[..., None]
    known |= _find_thin_parts(known, weight > 0)
    source = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    front = unmixed[source[0], source[1]].astype(np.float32)
    blurred = _blur_inside(front, known, max(BACK_BLUR * max(size), 0.5))
    back = np.where(known[..., None], blurred, blurred[source[0], source[1]]).astype(np.float32)
    zoom = (size[0] / (x1 - x0), size[1] / (y1 - y0))
    transition = max(BACK_TRANSITION * max(crop.shape), 1.0)
    return ImageTexture(front, back, (float(x0), float(y0)), zoom, transition)


def find_unmixed(mask: Mask) -> Mask:
    """The pixels of a non-empty mask (H, W) that do not mix with the background; all where there are none."""
    core = _find_core(mask)
    return core if core.any() else mask


def _find_core(mask: Mask) -> Mask:
    padded = np.pad(mask, 1).astype(np.uint8)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.asarray(inside > MIXED_PIXELS, dtype=np.bool_)


def spread_colors(image: NDArray[np.uint8], source: Mask) -> NDArray[np.uint8]:
    """The image (H, W, 3) with the colour of the nearest pixel of a source (H, W) at every other pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~source).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colors[labels[source]] = image[source]
    return np.asarray(colors[labels])


def _blur_inside(image: Rgb32, inside: Mask, sigma: float) -> Rgb32:
    """The image blurred by `sigma` pixels, from pixels inside alone."""
    weight = inside.astype(np.float32)
    blurred = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma).reshape(image.shape)
    return np.asarray(blurred / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-4)[..., None])


def _find_thin_parts(known: Mask, inside: Mask) -> Mask:
    """Pixels inside that lie more than `THIN_REACH` from any known one."""
    if not known.any():
        return inside
    return np.asarray(inside & (ndimage.distance_transform_edt(~known) > THIN_REACH), dtype=np.bool_)
