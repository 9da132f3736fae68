"""Pictures and masks made smaller, averaged over areas."""

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


def fit_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) scaled down so that the longer side is at most `longest` pixels."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def resize_area(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An RGB image or a channel at (width, height), averaged over areas."""
    # halves are exact and four times as fast as areas that cut pixels
    while (
        image.shape[0] % 2 == image.shape[1] % 2 == 0
        and image.shape[1] >= 2 * size[0]
        and image.shape[0] >= 2 * size[1]
    ):
        half = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA))
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at (width, height): pixels that are covered by more than half."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    return np.asarray(resize_area(mask.astype(np.uint8) * 255, size) > 127)
