"""Videos through PyAV; runs inside the sandbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from media.errors import MediaError
from media.limits import MediaLimits

MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/mp4",
    "matroska": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "mpegts": "video/mp2t",
}
FORMATS = "mov,matroska,webm,avi,mpegts,mp4,mpeg,ogg,flv,asf"
# network protocols and playlists could make FFmpeg open other addresses or files
OPTIONS = {"protocol_whitelist": "file"}


def probe(path: str, limits: MediaLimits) -> dict[str, Any] | None:
    """Read the container and the first frame; None when the bytes are no video FFmpeg knows."""
    try:
        container = av.open(path, options=OPTIONS)
    except (av.FFmpegError, OSError, ValueError):
        return None
    with container:
        if not any(name in FORMATS.split(",") for name in container.format.name.split(",")):
            return None
        stream = _stream(container)
        _check(stream, container, limits)
        try:
            first = next(_decode(container, stream), None)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError("video_broken", f"the video cannot be decoded: {error}") from error
        if first is None:
            raise MediaError("video_empty", "the video has no frame that can be decoded")
        height, width = first[1].shape[:2]
        rate = stream.average_rate
        seconds = _seconds(stream, container)
        return {
            "kind": "video",
            "media_type": next(
                (MEDIA_TYPES[n] for n in container.format.name.split(",") if n in MEDIA_TYPES), "video/mp4"
            ),
            "width": width,
            "height": height,
            "frames": stream.frames or None,
            "duration_seconds": seconds,
            "frame_rate": float(rate) if rate else None,
            "codec": stream.codec_context.name,
        }


def time_base(path: str) -> tuple[int, int]:
    """The time base of the first video stream as (numerator, denominator) of a second."""
    with av.open(path, options=OPTIONS) as container:
        base = _stream(container).time_base
        return (base.numerator, base.denominator) if base else (1, 1000)


def decode(
    path: str, limits: MediaLimits, start: int = 0, told: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Upright RGB frames of shape (H, W, 3) with their pts, in order of presentation, from frame `start` on.

    `told` is called for each frame before it.
    """
    with opened(path, limits) as (container, stream):
        for count, (pts, frame) in enumerate(_decode(container, stream, start, told)):
            if start + count >= limits.video_frames:
                raise MediaError("video_too_long", f"more than {limits.video_frames:,} frames", 413)
            yield pts, frame


@contextmanager
def opened(path: str, limits: MediaLimits) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream; what FFmpeg cannot read becomes a MediaError."""
    try:
        with av.open(path, options=OPTIONS) as container:
            stream = _stream(container)
            _check(stream, container, limits)
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError("video_broken", f"the video cannot be decoded: {error}") from error


def upright(frame: Any) -> NDArray[np.uint8]:
    """A decoded frame as RGB (H, W, 3), turned as its container says."""
    image = frame.to_ndarray(format="rgb24")
    turns = round(-float(getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, -turns) if turns else image)


def presented(pts: int | None, last: int) -> int:
    """A frame's time after one at `last`: a missing or repeated pts would break the order of presentation."""
    return max(last + 1 if pts is None else int(pts), last + 1)


def _stream(container: Any) -> Any:
    stream = next(iter(container.streams.video), None)
    if stream is None:
        raise MediaError("video_empty", "the file has no video stream")
    return stream


def _decode(
    container: Any, stream: Any, start: int = 0, told: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    shape: tuple[int, ...] | None = None
    last = -1
    try:
        for count, frame in enumerate(container.decode(stream)):
            last = presented(frame.pts, last)
            if count < start:
                told()
                continue
            image = upright(frame)
            if shape is None:
                shape = image.shape
            if image.shape != shape:
                raise MediaError(
                    "video_size_changes", "the video changes its frame size on the way: split it"
                )
            yield last, image
    except av.error.EOFError:
        return


def _seconds(stream: Any, container: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _check(stream: Any, container: Any, limits: MediaLimits) -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.video_pixels:
        raise MediaError(
            "video_too_large",
            f"the video has {width} x {height} pixels a frame; at most {limits.video_pixels:,} are accepted",
            413,
        )
    seconds = _seconds(stream, container)
    if (seconds or 0) > limits.video_seconds or stream.frames > limits.video_frames:
        raise MediaError(
            "video_too_long",
            f"at most {limits.video_seconds:.0f} seconds and {limits.video_frames:,} frames are accepted: "
            "split it",
            413,
        )
