"""Synthetic media: images of every mode, videos of known frames, and hostile bytes."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def make_gradient(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A smooth image whose corners differ, so that turns and flips show."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / (width - 1)
    green = 255 * y / (height - 1)
    return np.stack([red, green, np.full_like(red, 60)], axis=-1).astype(np.uint8)


def encode_image(image: Image.Image, format: str, **options: object) -> bytes:
    """A PIL image as a file's bytes."""
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as PNG."""
    return encode_image(Image.fromarray(pixels), "PNG")


def make_png_bomb(side: int = 32_000) -> bytes:
    """A valid PNG of a hundred kilobytes that unpacks to a gigabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (side * (side // 8 + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def with_cicp(data: bytes, primaries: int, transfer: int) -> bytes:
    """A PNG with a cICP chunk before its pixels (PNG 3rd edition, 11.3.2.6)."""
    body = b"cICP" + bytes([primaries, transfer, 0, 1])
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


def frame_color(index: int) -> tuple[int, int, int]:
    """The colour of a test video's n-th frame; survives lossy coding."""
    return (40 + 20 * (index % 10), 200 - 15 * (index % 10), 90)


def write_frames(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    pts: Sequence[int] | None = None,
    codec: str = "libx264",
    gop: int = 250,
    pix_fmt: str = "yuv420p",
    pixel_aspect: Fraction | None = None,
    color: tuple[int, int, int] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A video of these RGB frames at 25 frames per second, or at `pts` in milliseconds.

    There is a key frame every `gop` frames. `color` holds the codes of ITU-T H.273 for
    primaries, transfer and matrix.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.pix_fmt, stream.gop_size = pix_fmt, gop
        stream.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if color is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = color
        for index, pixels in enumerate(frames):
            if index == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = pts[index] if pts else index * 40
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], *, rate: int, crf: int = 16) -> Path:
    """An H.264 video of RGB frames (H, W, 3) at a constant number of frames per second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, rate)
        for index, pixels in enumerate(frames):
            if index == 0:
                stream.height, stream.width = pixels.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def count_frames(video: bytes) -> int:
    """The number of frames of a video file."""
    with av.open(io.BytesIO(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def flat_frames(frames: int, size: tuple[int, int] = (64, 48)) -> Iterator[NDArray[np.uint8]]:
    """Frames (H, W, 3) of one colour each, `frame_color`, the top left white; `size` is (width, height)."""
    for index in range(frames):
        pixels = np.empty((size[1], size[0], 3), np.uint8)
        pixels[:] = frame_color(index)
        pixels[: size[1] // 4, : size[0] // 4] = 255
        yield pixels


def write_video(
    path: Path,
    frames: int = 10,
    size: tuple[int, int] = (64, 48),
    pts: list[int] | None = None,
    codec: str = "libx264",
    gop: int = 250,
) -> Path:
    """A video of flat frames; `pts` in milliseconds makes its frame rate vary."""
    return write_frames(path, flat_frames(frames, size), pts=pts, codec=codec, gop=gop)


def set_display_matrix(path: Path, axes: tuple[int, int, int, int]) -> None:
    """Write (a, b, c, d) of a display matrix into an MP4's track header, as a phone's camera does."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd")
    version = data[place + 4]
    matrix = place + 4 + (4 + 32 + 16 if version else 4 + 20 + 16)
    a, b, c, d = (value << 16 for value in axes)
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def rotate_mp4(path: Path, quarter_turns: int) -> None:
    """Turn an MP4 clockwise by its track header, as a phone held upright does."""
    set_display_matrix(path, {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter_turns])


def decode_video(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    """Seconds and RGB pixels of every frame."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [(float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in frames]
