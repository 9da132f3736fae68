"""Depth maps and point maps: 16-bit and float images, and NumPy files; runs inside the sandbox."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from media.errors import MediaError
from media.images import opened
from media.limits import MediaLimits
from media.orientation import apply_orientation, read_orientation

MAGIC = b"\x93NUMPY"
ZIPPED = b"PK\x03\x04"
WHOLE_IMAGES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def probe(path: str) -> dict[str, Any] | None:
    """What a NumPy file says it is; None for other bytes. Raises MediaError for one that is no map.

    `frames` is how many maps a file of (T, H, W) holds.
    """
    with Path(path).open("rb") as file:
        begun = file.read(len(MAGIC))
    zipped = begun.startswith(ZIPPED) and _arrays(path)
    if begun != MAGIC and not zipped:
        return None
    with array(path) as (stream, room):
        shape, dtype, _ = header(stream)
        frames = stacked(shape)
        if room < stream.tell() + math.prod(shape) * dtype.itemsize:
            raise MediaError("depth_unreadable", f"the file ends before its {shape} numbers: send it again")
    height, width = shape[1:] if frames is not None else shape[:2]
    return {
        "kind": "array",
        "media_type": "application/x-npz" if zipped else "application/x-npy",
        "width": width,
        "height": height,
        "frames": frames,
        "codec": dtype.name,
    }


@contextmanager
def array(path: str) -> Iterator[tuple[Any, int]]:
    """A stream of the array in a NumPy file, and how many bytes it has; raises MediaError."""
    with Path(path).open("rb") as file:
        if file.read(len(ZIPPED)) != ZIPPED:
            file.seek(0)
            yield file, Path(path).stat().st_size
            return
    names = _arrays(path)
    chosen = names if len(names) == 1 else [name for name in names if name == "depth.npy"]
    if len(chosen) != 1:
        raise MediaError("depth_unreadable", "the NPZ holds several arrays: call one of them 'depth'")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(chosen[0]) as member:
            yield member, archive.getinfo(chosen[0]).file_size
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise MediaError("depth_unreadable", f"the NPZ cannot be read: {error}") from error


def stacked(shape: tuple[int, ...]) -> int | None:
    """How many maps an array of that shape holds; None for one map, and for one of points."""
    return shape[0] if len(shape) == 3 and shape[2] != 3 else None


def decode(path: str, limits: MediaLimits) -> tuple[NDArray[np.float32], bool]:
    """The numbers of a map, (H, W) or (H, W, 3) float32, and whether they are whole numbers.

    Raises MediaError: `depth_unreadable` for a picture of colours or of 8 bits, `image_too_large`.
    """
    with Path(path).open("rb") as file:
        numbers = file.read(len(MAGIC)) == MAGIC
        if numbers:
            file.seek(0)
            shape, dtype, _ = header(file)
            if stacked(shape) is not None:
                raise MediaError("depth_unreadable", f"the file holds {shape[0]} maps, a picture has one")
            _fits(shape, limits)
            file.seek(0)
            try:
                values = np.lib.format.read_array(file, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise MediaError("depth_unreadable", f"the NumPy file cannot be read: {error}") from error
            return np.ascontiguousarray(values, np.float32), dtype.kind in "ui"
    try:
        with opened(path, limits) as image:
            if image.mode != "F" and image.mode not in WHOLE_IMAGES:
                raise MediaError(
                    "depth_unreadable",
                    f"a depth map has one channel of 16 bits or of floats; the image is {image.mode!r}",
                )
            code = read_orientation(image)
            return apply_orientation(np.array(image, np.float32), code), image.mode != "F"
    except MediaError as error:
        if error.code != "image_broken":
            raise
        raise MediaError("depth_unreadable", f"the depth map cannot be decoded: {error.detail}") from error


def header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, kind of numbers, and whether the first axis is the fastest; leaves the file at the numbers.

    Raises MediaError `depth_unreadable`.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
    except (ValueError, EOFError, OSError) as error:
        raise MediaError(
            "depth_unreadable", f"the NumPy file has no header that can be read: {error}"
        ) from error
    if len(shape) not in (2, 3) or min(shape) < 1 or dtype.kind not in "uif":
        raise MediaError(
            "depth_unreadable",
            "a depth map is (H, W) numbers, a point map (H, W, 3), the depth of a video (T, H, W); the file "
            f"holds {dtype} {shape}",
        )
    return shape, dtype, fortran


def _arrays(path: str) -> list[str]:
    """The names of the arrays in an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError, ValueError):
        return []


def _fits(shape: tuple[int, ...], limits: MediaLimits) -> None:
    if shape[0] * shape[1] > limits.image_pixels:
        raise MediaError("image_too_large", f"the depth map has {shape[1]} x {shape[0]} pixels", 413)
