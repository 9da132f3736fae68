"""Stored images and depth maps at the size of a sample."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# (height, width) in pixels
Size = tuple[int, int]


def decode_jpeg(jpeg: bytes, out: NDArray[np.uint8]) -> None:
    """Decode a JPEG into `out` u8 (3, H, W), stretched to its size."""
    with Image.open(io.BytesIO(jpeg)) as stored:
        image = stored if stored.mode == "RGB" else stored.convert("RGB")
        size = out.shape[2], out.shape[1]
        if image.size != size:
            shrinks = image.width > size[0] or image.height > size[1]
            image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
        # Pillow splits channels faster than NumPy transposes axes
        for channel, plane in enumerate(image.split()):
            out[channel] = np.asarray(plane)


def decode_depth(png: bytes | None, unit: float | None, size: Size) -> NDArray[np.float32]:
    """z-depth f32 (H, W) of `size` in metres or units of the world, NaN unknown; all NaN without a PNG."""
    if png is None or unit is None:
        return np.full(size, np.nan, np.float32)
    with Image.open(io.BytesIO(png)) as image:
        levels = np.asarray(image).astype(np.float32)
    if size != levels.shape:
        # nearest pixel: the mean of the depths of two surfaces is on neither
        rows, columns = nearest_indices(levels.shape[0], size[0]), nearest_indices(levels.shape[1], size[1])
        levels = levels[rows[:, None], columns]
    return np.where(levels > 0, levels * np.float32(unit), np.float32(np.nan))


def nearest_indices(old: int, new: int) -> NDArray[np.int64]:
    """For each of `new` pixels along a side the one of `old` pixels that lies under its centre."""
    return np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
