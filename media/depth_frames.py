"""Decodes the depth maps of a video one by one, in constant memory; runs inside the sandbox."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from media import depth, video
from media.errors import MediaError
from media.limits import MediaLimits
from media.orientation import apply_orientation, packet_orientation

Map = NDArray[np.float32]
INTEGERS = frozenset({"gray16le", "gray16be"})
FLOATS = frozenset({"grayf32le", "grayf32be"})
# codecs without prediction between frames: frames before the first requested one are not decoded
INTRA_CODECS = frozenset({"png", "tiff"})


def decode(
    path: str, limits: MediaLimits, start: int = 0, on_skip: Callable[[], None] = lambda: None
) -> Iterator[tuple[Map, bool]]:
    """Maps (H, W) from frame `start` on, in the units of the file, and whether they are integers.

    `on_skip` is called for each map before it. Raises MediaError `depth_unreadable`, `video_too_large`.
    """
    with Path(path).open("rb") as file:
        begun = file.read(len(depth.MAGIC))
    if begun == depth.MAGIC or begun.startswith(depth.ZIPPED):
        yield from _decode_array(path, limits, start, on_skip)
    else:
        yield from _decode_video(path, limits, start, on_skip)


def _decode_array(
    path: str, limits: MediaLimits, start: int, on_skip: Callable[[], None]
) -> Iterator[tuple[Map, bool]]:
    with depth.open_array(path) as (stream, _):
        shape, dtype, fortran = depth.read_header(stream)
        count = depth.count_maps(shape)
        if count is None or fortran:
            raise MediaError(
                "depth_unreadable",
                f"the depth of a video is an array (T, H, W) in C order; the file holds {dtype} {shape}"
                + (" in Fortran order" if fortran else ""),
            )
        if shape[1] * shape[2] > limits.video_pixels or count > limits.video_frames:
            raise MediaError("video_too_large", f"{shape} numbers are too many for the depth of a video", 413)
        size = shape[1] * shape[2] * dtype.itemsize
        if isinstance(stream, zipfile.ZipExtFile):
            # compressed data cannot be seeked: it is read and dropped
            for _ in range(min(start, count)):
                _read(stream, size)
                on_skip()
        else:
            stream.seek(start * size, 1)
        for _ in range(start, count):
            values = np.frombuffer(_read(stream, size), dtype).reshape(shape[1:])
            yield np.ascontiguousarray(values, np.float32), dtype.kind in "ui"


def _read(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise MediaError("depth_unreadable", "the NumPy file ends in the middle of a map: send it again")
    return data


def _decode_video(
    path: str, limits: MediaLimits, start: int, on_skip: Callable[[], None]
) -> Iterator[tuple[Map, bool]]:
    try:
        with video.open_video(path, limits) as (container, stream):
            # each frame must come out of its own packet, or a broken one would shift the others
            stream.thread_type = "NONE"
            intra = stream.codec_context.name in INTRA_CODECS
            count = 0
            for packet in container.demux(stream):
                if intra and packet.size and count < start:
                    count += 1
                    on_skip()
                    continue
                try:
                    frames = packet.decode()
                except av.error.EOFError:
                    return
                if intra and packet.size and len(frames) != 1:
                    raise MediaError("depth_unreadable", f"map {count} cannot be decoded")
                code = packet_orientation(bytes(packet)) if intra and packet.size else None
                for frame in frames:
                    count += 1
                    if count <= start:
                        on_skip()
                    else:
                        turn = video.frame_orientation(frame) if code is None else code
                        yield apply_orientation(_to_values(frame), turn), frame.format.name in INTEGERS
    except MediaError as error:
        if error.code != "video_broken":
            raise
        raise MediaError("depth_unreadable", f"the depth cannot be decoded: {error.detail}") from error


def _to_values(frame: Any) -> Map:
    name = frame.format.name
    if name not in INTEGERS | FLOATS:
        raise MediaError(
            "depth_unreadable",
            f"depth frames have one channel of 16-bit integers or floats; these are {name!r}",
        )
    return np.ascontiguousarray(frame.to_ndarray(), np.float32)
