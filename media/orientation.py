"""One upright image, whichever reader decoded it: the eight orientations of EXIF, applied to arrays.

A code says how stored rows and columns are shown (EXIF 2.32, tag 0x0112). Still images, animations, numbered
frames, depth maps and videos all pass through `apply_orientation`.
"""

import io
import struct
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Scalar = TypeVar("Scalar", bound=np.generic)

UPRIGHT = 1
# Where the stored axes x (right) and y (down) point once shown: x to right, x to down, y to right, y to down.
AXES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def apply_orientation(pixels: NDArray[Scalar], code: int) -> NDArray[Scalar]:
    """Turn and mirror an array (H, W, …) as its orientation code says; unknown codes change nothing."""
    x_right, x_down, y_right, y_down = AXES.get(code, AXES[UPRIGHT])
    if x_right == 0:
        pixels = np.swapaxes(pixels, 0, 1)
    if x_right + y_right < 0:
        pixels = pixels[:, ::-1]
    if x_down + y_down < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def swaps_sides(code: int) -> bool:
    """Whether width and height change places."""
    return code in (5, 6, 7, 8)


def read_orientation(image: Image.Image) -> int:
    """The code that still has to be applied to an opened image after Pillow has loaded its pixels.

    Pillow turns TIFF files itself while it loads them, and decoders of HEIF apply the container's transforms.
    """
    if image.format == "TIFF":
        return UPRIGHT
    try:
        exif = _read_png_exif(image) if image.format == "PNG" else image.getexif()
    except (OSError, SyntaxError, ValueError, struct.error):
        return UPRIGHT
    code = exif.get(ExifTags.Base.Orientation, UPRIGHT)
    return code if code in AXES else UPRIGHT


def _read_png_exif(image: Image.Image) -> Image.Exif:
    """The EXIF block of a PNG, which may stand behind the pixels: Pillow would decode them to reach it."""
    exif = Image.Exif()
    file = image.fp  # type: ignore[attr-defined]
    if file is None or "exif" in image.info:
        return image.getexif()
    place = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            exif.load(file.read(length))
            break
        file.seek(length + 4, 1)
    file.seek(place)
    return exif


def packet_orientation(packet: bytes) -> int:
    """The code in the EXIF block of one compressed frame (JPEG, PNG, TIFF or WebP)."""
    try:
        with Image.open(io.BytesIO(packet), formats=("JPEG", "PNG", "TIFF", "WEBP")) as image:
            code = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    except (OSError, SyntaxError, ValueError):
        return UPRIGHT
    return code if code in AXES else UPRIGHT


def matrix_orientation(matrix: Any) -> int:
    """The code nearest to a display matrix: nine 16.16 fixed-point numbers as in ISO/IEC 14496-12, `tkhd`.

    The matrix maps stored (x, y, 1) as a row vector. Scales are ignored; any angle takes the nearest quarter
    turn.
    """
    values = np.frombuffer(bytes(matrix), np.int32).astype(np.float64)
    if values.size != 9:
        return UPRIGHT
    axes = values[[0, 1, 3, 4]]
    if not np.any(axes):
        return UPRIGHT
    return max(AXES, key=lambda code: (float(axes @ AXES[code]), code == UPRIGHT))
