"""Depth maps and point maps: 16-bit and float images, and NumPy files; runs inside the sandbox."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from media.errors import MediaError
from media.images import BROKEN, OPENABLE
from media.limits import MediaLimits

MAGIC = b"\x93NUMPY"
WHOLE_IMAGES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def probe(path: str) -> dict[str, Any] | None:
    """What a NumPy file says it is; None for other bytes. Raises MediaError for one that is no map."""
    with Path(path).open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        file.seek(0)
        shape, dtype = _header(file)
    return {
        "kind": "array",
        "media_type": "application/x-npy",
        "width": shape[1],
        "height": shape[0],
        "frames": None,
        "codec": dtype.name,
    }


def decode(path: str, limits: MediaLimits) -> tuple[NDArray[np.float32], bool]:
    """The numbers of a map, (H, W) or (H, W, 3) float32, and whether they are whole numbers.

    Raises MediaError: `depth_unreadable` for a picture of colours or of 8 bits, `image_too_large`.
    """
    with Path(path).open("rb") as file:
        array = file.read(len(MAGIC)) == MAGIC
        if array:
            file.seek(0)
            shape, dtype = _header(file)
            _fits(shape, limits)
            file.seek(0)
            try:
                values = np.lib.format.read_array(file, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise MediaError("depth_unreadable", f"the NumPy file cannot be read: {error}") from error
            return np.ascontiguousarray(values, np.float32), dtype.kind in "ui"
    try:
        with Image.open(path, formats=OPENABLE) as image:
            _fits((image.height, image.width), limits)
            if image.mode != "F" and image.mode not in WHOLE_IMAGES:
                raise MediaError(
                    "depth_unreadable",
                    f"a depth map has one channel of 16 bits or of floats; the image is {image.mode!r}",
                )
            return np.ascontiguousarray(image, np.float32), image.mode != "F"
    except BROKEN as error:
        raise MediaError("depth_unreadable", f"the depth map cannot be decoded: {error}") from error


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
    except (ValueError, EOFError, OSError) as error:
        raise MediaError(
            "depth_unreadable", f"the NumPy file has no header that can be read: {error}"
        ) from error
    flat = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    if not flat or not all(shape) or dtype.kind not in "uif":
        raise MediaError(
            "depth_unreadable",
            f"a depth map is (H, W) numbers, a point map (H, W, 3); the file holds {dtype} {shape}",
        )
    return shape, dtype


def _fits(shape: tuple[int, ...], limits: MediaLimits) -> None:
    if shape[0] * shape[1] > limits.image_pixels:
        raise MediaError("image_too_large", f"the depth map has {shape[1]} x {shape[0]} pixels", 413)
