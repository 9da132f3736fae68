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
from media.images import open_image
from media.limits import MediaLimits
from media.orientation import apply_orientation, read_orientation

MAGIC = b"\x93NUMPY"
ZIPPED = b"PK\x03\x04"
INTEGER_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def probe(path: str) -> dict[str, Any] | None:
    """Describe a NumPy file; None for other bytes. Raises MediaError for one that is not a depth map.

    `frames` is how many maps a file of (T, H, W) holds.
    """
    if not _is_numpy_file(path):
        return None
    with open_array(path) as (stream, room):
        shape, dtype, _ = read_header(stream)
        frames = count_maps(shape)
        if room < stream.tell() + math.prod(shape) * dtype.itemsize:
            raise MediaError("depth_unreadable", f"the file ends before its {shape} numbers: send it again")
    height, width = shape[1:] if frames is not None else shape[:2]
    return {
        "kind": "array",
        "media_type": "application/x-npy" if _begins_as_array(path) else "application/x-npz",
        "width": width,
        "height": height,
        "frames": frames,
        "codec": dtype.name,
    }


@contextmanager
def open_array(path: str) -> Iterator[tuple[Any, int]]:
    """A stream of the array in a NumPy file, and its size in bytes; raises MediaError."""
    with Path(path).open("rb") as file:
        if file.read(len(ZIPPED)) != ZIPPED:
            file.seek(0)
            yield file, Path(path).stat().st_size
            return
    names = _list_arrays(path)
    chosen = names if len(names) == 1 else [name for name in names if name == "depth.npy"]
    if len(chosen) != 1:
        raise MediaError("depth_unreadable", "the NPZ holds several arrays: name one of them 'depth'")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(chosen[0]) as member:
            yield member, archive.getinfo(chosen[0]).file_size
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise MediaError("depth_unreadable", f"the NPZ cannot be read: {error}") from error


def count_maps(shape: tuple[int, ...]) -> int | None:
    """How many maps an array of that shape holds; None for (H, W), (H, W, 1) and points (H, W, 3)."""
    return shape[0] if len(shape) == 3 and shape[2] not in (1, 3) else None


def decode(path: str, limits: MediaLimits) -> tuple[NDArray[np.float32], bool]:
    """The values of a map, (H, W) or (H, W, 3) float32, and whether they are integers.

    Raises MediaError: `depth_unreadable` for colour or 8-bit images, `image_too_large`.
    """
    if _is_numpy_file(path):
        return _decode_array(path, limits)
    try:
        with open_image(path, limits) as image:
            if image.mode != "F" and image.mode not in INTEGER_MODES:
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


def _decode_array(path: str, limits: MediaLimits) -> tuple[NDArray[np.float32], bool]:
    with open_array(path) as (stream, _):
        shape, dtype, fortran = read_header(stream)
        maps = count_maps(shape)
        if maps not in (None, 1):
            raise MediaError("depth_unreadable", f"the file holds {maps} maps; an image has one")
        _check_size(shape if maps is None else shape[1:], limits)
        size = math.prod(shape) * dtype.itemsize
        data = stream.read(size)
        if len(data) < size:
            raise MediaError("depth_unreadable", f"the file ends before its {shape} numbers: send it again")
        values = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    # networks leave the axes of the batch or the channel
    single = values[0] if maps == 1 else values[..., 0] if shape[2:] == (1,) else values
    return np.ascontiguousarray(single, np.float32), dtype.kind in "ui"


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, dtype, and whether the array is in Fortran order; leaves the file at the first value.

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
            "depth_unreadable", f"the header of the NumPy file cannot be read: {error}"
        ) from error
    if dtype.itemsize == 1 and dtype.kind in "uib":
        raise MediaError(
            "depth_unreadable", "8 bits are too few for a depth map: send 16-bit integers or floats"
        )
    if len(shape) not in (2, 3) or min(shape) < 1 or dtype.kind not in "uif":
        raise MediaError(
            "depth_unreadable",
            "a depth map is (H, W), a point map (H, W, 3), the depth of a video (T, H, W); the file "
            f"holds {dtype} {shape}",
        )
    return shape, dtype, fortran


def _is_numpy_file(path: str) -> bool:
    """Whether a file is an array, or an archive of arrays."""
    return _begins_as_array(path) or bool(_list_arrays(path))


def _begins_as_array(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _list_arrays(path: str) -> list[str]:
    """The names of the arrays in an archive."""
    with Path(path).open("rb") as file:
        if file.read(len(ZIPPED)) != ZIPPED:
            return []
    try:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError, ValueError):
        return []


def _check_size(shape: tuple[int, ...], limits: MediaLimits) -> None:
    if shape[0] * shape[1] > limits.image_pixels:
        raise MediaError("image_too_large", f"the depth map has {shape[1]} x {shape[0]} pixels", 413)
