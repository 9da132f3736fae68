"""From images and prompts in pixels to what the model reads: a square of fixed side, values in [-1, 1].

Resizing and normalisation are those of transformers' `Sam3ImageProcessor`: bilinear with antialiasing on
uint8, then (x / 255 - 0.5) / 0.5, aspect ratio not kept. They are here so that torchvision is not needed.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workers.engines.protocols import Box, Mask, Rgb

# a mask prompt as logits, as transformers reads a given mask: a probability of almost 1 inside and almost 0
# outside
_PRIOR_SCALE, _PRIOR_BIAS = 20.0, -10.0


def check_image(image: Rgb) -> None:
    """Raise ValueError unless this is a non-empty uint8 image (H, W, 3)."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"an image is uint8 of shape (H, W, 3), not {image.dtype} {image.shape}")


def to_pixels(image: Rgb, side: int, *, device: Any, dtype: Any) -> Any:
    """An RGB image (H, W, 3) u8 as a normalised tensor (1, 3, side, side)."""
    return normalise(resize(image, side), device=device, dtype=dtype)


def resize(image: Rgb, side: int) -> Any:
    """An RGB image (H, W, 3) u8 as a tensor (1, 3, side, side) u8 on the CPU."""
    # a copy of its own: decoded images are read-only, which torch does not know
    planes = torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))[None]
    if planes.shape[2:] != (side, side):
        # uint8 resizing exists on the CPU only, and rounds as the model's own processor does
        planes = torch.nn.functional.interpolate(planes, size=(side, side), mode="bilinear", antialias=True)
    return planes


def normalise(planes: Any, *, device: Any, dtype: Any) -> Any:
    """Resized images (N, 3, S, S) u8 as the model reads them."""
    return ((planes.to(device).float() / 255.0 - 0.5) / 0.5).to(dtype)


def to_center_boxes(boxes: list[Box], size: tuple[int, int]) -> NDArray[np.float32]:
    """Pixel xyxy boxes as (N, 4) of centre x, y, width, height, as shares of an image (height, width)."""
    xyxy = np.asarray(boxes, np.float64).reshape(-1, 4) / np.array([size[1], size[0], size[1], size[0]])
    low, high = xyxy[:, :2], xyxy[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1).astype(np.float32)


def to_point_tokens(
    box: Box | None,
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    size: tuple[int, int],
    side: int,
) -> tuple[Any, Any]:
    """A box and points of an image (height, width) as the prompt encoder's tokens.

    Coordinates (1, 1, N, 2) f32 in the square and labels (1, 1, N); box corners are points with labels 2 and
    3, as in SAM. The model adds half a pixel of its square to every coordinate: our points already have their
    pixel's centre at +0.5, corners are passed as in SAM.
    """
    scale = np.array([side / size[1], side / size[0]])
    rows = [np.asarray(points, np.float64).reshape(-1, 2) * scale - 0.5]
    kinds = [np.asarray(labels, np.int64).reshape(-1)]
    if box is not None:
        rows.insert(0, np.asarray(box, np.float64).reshape(2, 2) * scale)
        kinds.insert(0, np.array([2, 3], np.int64))
    coordinates = torch.from_numpy(np.concatenate(rows).astype(np.float32))
    return coordinates[None, None], torch.from_numpy(np.concatenate(kinds))[None, None]


def to_square_mask(mask: Mask, side: int) -> Any:
    """A mask (H, W) as shares of coverage (1, 1, side, side) f32 in [0, 1]."""
    plane = torch.from_numpy(np.ascontiguousarray(mask)).float()[None, None]
    return torch.nn.functional.interpolate(plane, size=(side, side), mode="bilinear", antialias=True)


def to_prior_logits(mask: Mask, side: int) -> Any:
    """A mask (H, W) as the prior logits (1, 1, side, side) f32 that the model reads."""
    return to_square_mask(mask, side) * _PRIOR_SCALE + _PRIOR_BIAS
