"""Pack numbered image files into one AVI file; their bytes are copied, never decoded or encoded again.

The layout is that of Microsoft's "AVI RIFF File Reference": `hdrl` with the headers, `movi` with a chunk per
frame, and the index `idx1`.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from maquette.sources.folders import FrameFolder
from maquette.sources.image_headers import ImageHeader, read_image_header

# RIFF counts bytes in 32 bits; 16 MiB remain for headers and the index
MAX_BYTES = (1 << 32) - (1 << 24)
# chunk header and index entry, rounded up
BYTES_PER_FRAME = 32
FOURCC = {"jpeg": b"MJPG", "png": b"MPNG", "tiff": b"TIFF"}
HAS_INDEX = KEY_FRAME = 0x10


def pack_frames(folder: FrameFolder, frame_rate: float, target: Path) -> Path:
    """Write the frames to an AVI file with `frame_rate` frames per second.

    Raises ValueError for frames of several sizes or formats, and for more than AVI can hold.
    """
    sizes = [file.stat().st_size for file in folder.files]
    if sum(sizes) + BYTES_PER_FRAME * len(sizes) > MAX_BYTES:
        raise ValueError(f"{folder.path} holds more than 4 GB of frames: split it")
    first = read_image_header(folder.files[0])
    headers = _pack_headers(first, frame_rate, len(sizes), max(sizes))
    with target.open("wb") as out:
        out.write(b"RIFF\0\0\0\0AVI " + headers)
        movie_start = out.tell()
        out.write(b"LIST\0\0\0\0movi")
        index = _write_frames(out, folder.files, first, movie_start + 8)
        movie_end = out.tell()
        out.write(_chunk(b"idx1", index))
        total = out.tell()
        # sizes that were not known before
        for position, size in ((4, total - 8), (movie_start + 4, movie_end - movie_start - 8)):
            out.seek(position)
            out.write(struct.pack("<I", size))
    return target


def _pack_headers(first: ImageHeader, frame_rate: float, count: int, largest: int) -> bytes:
    """The list `hdrl`: AVIMAINHEADER, AVISTREAMHEADER and BITMAPINFOHEADER."""
    width, height, fourcc = first.width, first.height, FOURCC[first.codec]
    microseconds = round(1_000_000 / frame_rate)
    main = struct.pack("<10I16x", microseconds, 0, 0, HAS_INDEX, count, 0, 1, largest, width, height)
    stream = b"vids" + fourcc + struct.pack(
        "<IHHIIIIIIII4H", 0, 0, 0, 0, 1000, round(frame_rate * 1000), 0, count, largest, 0xFFFFFFFF, 0,
        0, 0, width, height,
    )  # fmt: skip
    bitmap = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, fourcc, width * height * 3, 0, 0, 0, 0)
    streams = _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", bitmap))
    return _list(b"hdrl", _chunk(b"avih", main) + streams)


def _write_frames(out: BinaryIO, files: Sequence[Path], first: ImageHeader, origin: int) -> bytes:
    """Write a chunk per file and return the index; its offsets count from `origin`."""
    index = []
    for file in files:
        if read_image_header(file) != first:
            raise ValueError(f"{file} differs in size or format from {files[0]}: they are not one video")
        data = file.read_bytes()
        index.append(struct.pack("<4sIII", b"00dc", KEY_FRAME, out.tell() - origin, len(data)))
        out.write(_chunk(b"00dc", data))
    return b"".join(index)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _list(name: bytes, data: bytes) -> bytes:
    return _chunk(b"LIST", name + data)
