"""Depth of a video's frames, one map after the other in constant memory; runs inside the sandbox."""

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
WHOLE = frozenset({"gray16le", "gray16be"})
FLOATS = frozenset({"grayf32le", "grayf32be"})
# codecs of which every picture stands for itself: those before the first that is wanted are not decoded
ALONE = frozenset({"png", "tiff"})


def decode(
    path: str, limits: MediaLimits, start: int = 0, on_skip: Callable[[], None] = lambda: None
) -> Iterator[tuple[Map, bool]]:
    """Maps (H, W) from frame `start` on as they are stored, and whether they are whole numbers.

    `on_skip` is called for each map before. Raises MediaError `depth_unreadable`, `video_too_large`.
    """
    with Path(path).open("rb") as file:
        begun = file.read(len(depth.MAGIC))
    if begun == depth.MAGIC or begun.startswith(depth.ZIPPED):
        yield from _stacked(path, limits, start, on_skip)
    else:
        yield from _filmed(path, limits, start, on_skip)


def _stacked(
    path: str, limits: MediaLimits, start: int, on_skip: Callable[[], None]
) -> Iterator[tuple[Map, bool]]:
    with depth.array(path) as (stream, _):
        shape, dtype, fortran = depth.header(stream)
        count = depth.stacked(shape)
        if count is None or fortran:
            raise MediaError(
                "depth_unreadable",
                f"the depth of a video is (T, H, W) numbers in C order; the file holds {dtype} {shape}"
                + (" in Fortran order" if fortran else ""),
            )
        if shape[1] * shape[2] > limits.video_pixels or count > limits.video_frames:
            raise MediaError("video_too_large", f"{shape} numbers are too many for the depth of a video", 413)
        size = shape[1] * shape[2] * dtype.itemsize
        if isinstance(stream, zipfile.ZipExtFile):
            # what is compressed is read to be passed over
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


def _filmed(
    path: str, limits: MediaLimits, start: int, on_skip: Callable[[], None]
) -> Iterator[tuple[Map, bool]]:
    try:
        with video.opened(path, limits) as (container, stream):
            # pictures must come out of the packets they went into, or a broken one would shift the others
            stream.thread_type = "NONE"
            alone = stream.codec_context.name in ALONE
            count = 0
            for packet in container.demux(stream):
                if alone and packet.size and count < start:
                    count += 1
                    on_skip()
                    continue
                try:
                    frames = packet.decode()
                except av.error.EOFError:
                    return
                if alone and packet.size and len(frames) != 1:
                    raise MediaError("depth_unreadable", f"map {count} cannot be decoded")
                code = packet_orientation(bytes(packet)) if alone and packet.size else None
                for frame in frames:
                    count += 1
                    if count <= start:
                        on_skip()
                    else:
                        turn = video.frame_orientation(frame) if code is None else code
                        yield apply_orientation(_numbers(frame), turn), frame.format.name in WHOLE
    except MediaError as error:
        if error.code != "video_broken":
            raise
        raise MediaError("depth_unreadable", f"the depth cannot be decoded: {error.detail}") from error


def _numbers(frame: Any) -> Map:
    name = frame.format.name
    if name not in WHOLE | FLOATS:
        raise MediaError(
            "depth_unreadable", f"depth has one channel of 16 bits or of floats; the frames are {name!r}"
        )
    return np.ascontiguousarray(frame.to_ndarray(), np.float32)
