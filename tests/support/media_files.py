"""Files that tests draw themselves: images of every mode, videos of known frames, and hostile bytes."""

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def gradient(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A smooth picture whose corners differ, so that turns and flips show."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / (width - 1)
    green = 255 * y / (height - 1)
    return np.stack([red, green, np.full_like(red, 60)], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """A PIL image as a file's bytes."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as PNG."""
    return encoded(Image.fromarray(pixels), "PNG")


def png_bomb(side: int = 32_000) -> bytes:
    """A valid PNG of a hundred kilobytes that unpacks to a gigabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side * (side // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def frame_color(index: int) -> tuple[int, int, int]:
    """The colour of a test video's n-th frame; survives lossy coding."""
    return (40 + 20 * (index % 10), 200 - 15 * (index % 10), 90)


def write_video(
    path: Path,
    frames: int = 10,
    size: tuple[int, int] = (64, 48),
    pts: list[int] | None = None,
    codec: str = "libx264",
    gop: int = 250,
) -> Path:
    """A video of flat frames; `pts` in milliseconds makes its frame rate vary. The left top is white.

    There is a key frame every `gop` frames.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        stream.gop_size = gop
        stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(frames):
            pixels = np.empty((size[1], size[0], 3), np.uint8)
            pixels[:] = frame_color(index)
            pixels[: size[1] // 4, : size[0] // 4] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = pts[index] if pts else index * 40
            frame.time_base = Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def rotate_mp4(path: Path, quarter_turns: int) -> None:
    """Write a display rotation into an MP4's track header, as a phone held upright does."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd")
    version = data[place + 4]
    matrix = place + 4 + (4 + 32 + 16 if version else 4 + 20 + 16)
    one = 0x10000
    turns = {1: (0, one, -one, 0), 2: (-one, 0, 0, -one), 3: (0, -one, one, 0)}
    a, b, c, d = turns[quarter_turns]
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
