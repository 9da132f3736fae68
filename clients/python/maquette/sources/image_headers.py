"""Format and size of JPEG, PNG and TIFF files, read from their headers alone."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# tags of TIFF 6.0, section 8
TIFF_WIDTH, TIFF_HEIGHT, TIFF_BITS, TIFF_SAMPLES, TIFF_SAMPLE_FORMAT = 256, 257, 258, 277, 339
# JPEG markers SOF0 to SOF15 start a frame; DHT, JPG and DAC lie between them
JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image's header says; `is_grey16` is true for a single channel of 16 bits."""

    codec: str
    width: int
    height: int
    is_grey16: bool = False


def read_image_header(path: Path) -> ImageHeader:
    """Read an image's format and size; raises ValueError for anything but JPEG, PNG and TIFF."""
    with path.open("rb") as file:
        start = file.read(26)
        if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) == 26:
            width, height, bits, colour_type = struct.unpack(">IIBB", start[16:26])
            return ImageHeader("png", width, height, (bits, colour_type) == (16, 0))
        if start.startswith(b"\xff\xd8"):
            return _read_jpeg(file, path)
        if start[:4] in (b"II*\0", b"MM\0*"):
            return _read_tiff(file, path)
    raise ValueError(f"{path} is not a JPEG, PNG or TIFF file")


def _read_tiff(file: BinaryIO, path: Path) -> ImageHeader:
    """Read the first image file directory of a TIFF."""
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    # bits, samples and sample format may be left out; 1 is the value that the specification then gives
    values = {TIFF_BITS: 1, TIFF_SAMPLES: 1, TIFF_SAMPLE_FORMAT: 1}
    try:
        (directory,) = struct.unpack(order + "I", file.read(6)[2:])
        file.seek(directory)
        (entries,) = struct.unpack(order + "H", file.read(2))
        for _ in range(entries):
            tag, kind, count, value = struct.unpack(order + "HHI4s", file.read(12))
            # kind 3 is a 16-bit and kind 4 a 32-bit integer
            if count == 1 and kind in (3, 4):
                (values[tag],) = struct.unpack(order + "HI"[kind - 3], value[: 2 * (kind - 2)])
        grey16 = (values[TIFF_BITS], values[TIFF_SAMPLES], values[TIFF_SAMPLE_FORMAT]) == (16, 1, 1)
        return ImageHeader("tiff", values[TIFF_WIDTH], values[TIFF_HEIGHT], grey16)
    except (struct.error, KeyError) as error:
        raise ValueError(f"{path} is a broken TIFF") from error


def _read_jpeg(file: BinaryIO, path: Path) -> ImageHeader:
    file.seek(2)
    while (marker := file.read(2)) and marker[0] == 0xFF:
        if marker[1] == 0xFF:
            file.seek(-1, 1)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker[1] in JPEG_FRAME_MARKERS:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return ImageHeader("jpeg", width, height)
        file.seek(length - 2, 1)
    raise ValueError(f"{path} is a broken JPEG")
