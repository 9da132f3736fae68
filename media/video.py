"""Videos through PyAV; runs inside the sandbox."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from numpy.typing import NDArray

from media.containers import is_begun_video, is_cut_movie, is_truncated
from media.errors import MediaError
from media.limits import MediaLimits
from media.orientation import UPRIGHT, apply_orientation, matrix_orientation, packet_orientation
from media.transfers import apply_curve, build_srgb_curve, flag_colors

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
STILL_CODECS = frozenset({"mjpeg", "png", "tiff", "webp"})
# degrees counter-clockwise, as FFmpeg reports a frame's rotation
ROTATIONS = {90: 8, 180: 3, 270: 6}
# pixels 16 times as wide as high, or the reverse, are taken for a broken header
MIN_ASPECT = 1 / 16


def probe(path: str, limits: MediaLimits) -> dict[str, Any] | None:
    """Read the container and the first frame; None when the bytes are no video FFmpeg knows.

    `frames` is null where the container's count is not reliable: with an edit list, in a cut file, or where
    its index has another number.
    """
    try:
        container = av.open(path, options=OPTIONS)
    except (av.FFmpegError, OSError, ValueError) as error:
        if is_cut_movie(path) or is_begun_video(path):
            detail = "the file was cut before its index, or is damaged: send it again"
            raise MediaError("video_broken", detail) from error
        return None
    with container:
        names = container.format.name.split(",")
        if not any(name in FORMATS.split(",") for name in names):
            return None
        stream = select_stream(container)
        _check(stream, container, limits)
        try:
            decoder = VideoDecoder(container, stream)
            first = next(decoder.frames(), None)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError("video_broken", f"the video cannot be decoded: {error}") from error
        if first is None and is_truncated(path):
            raise MediaError("video_broken", "the file was cut before its first frame: send it again")
        if first is None:
            raise MediaError("video_empty", "the video has no frame that can be decoded")
        _, frame, code = first
        height, width = decoder.to_rgb(frame, code).shape[:2]
        rate = stream.average_rate
        truncated = is_truncated(path)
        return {
            "kind": "video",
            "media_type": next((MEDIA_TYPES[name] for name in names if name in MEDIA_TYPES), "video/mp4"),
            "width": width,
            "height": height,
            "frames": None if truncated or _has_edits(stream) else _count_frames(stream),
            "duration_seconds": _seconds(stream, container),
            "frame_rate": float(rate) if rate else None,
            "codec": stream.codec_context.name,
            "flags": [
                *flag_colors(*_color_codes(frame, stream), bits=_count_bits(frame)),
                *(["pixels_made_square"] if decoder.pixel_aspect != 1 else []),
                *(["file_truncated"] if truncated else []),
            ],
        }


def read_time_base(path: str) -> tuple[int, int]:
    """The time base of the video stream as (numerator, denominator) of a second."""
    with av.open(path, options=OPTIONS) as container:
        base = select_stream(container).time_base
        return (base.numerator, base.denominator) if base else (1, 1000)


def decode(
    path: str,
    limits: MediaLimits,
    start: int = 0,
    on_skip: Callable[[], None] = lambda: None,
    flags: set[str] | None = None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Upright RGB frames of shape (H, W, 3) with their pts, in order of presentation, from frame `start` on.

    `on_skip` is called for each frame before it. `flags` receives `file_truncated` and `frames_missing` when
    the video ends before its container says. Raises MediaError.
    """
    with open_video(path, limits) as (container, stream):
        decoder = VideoDecoder(container, stream)
        shape: tuple[int, ...] | None = None
        for count, (pts, frame, code) in enumerate(decoder.frames()):
            if count >= limits.video_frames:
                raise MediaError("video_too_long", f"more than {limits.video_frames:,} frames", 413)
            if count < start:
                on_skip()
                continue
            image = decoder.to_rgb(frame, code)
            if shape is None:
                shape = image.shape
            if image.shape != shape:
                raise MediaError(
                    "video_size_changes", "the video changes its frame size on the way: split it"
                )
            yield pts, image
        if flags is not None:
            flags |= _end_flags(path, container, stream, decoder)


@contextmanager
def open_video(path: str, limits: MediaLimits) -> Iterator[tuple[Any, Any]]:
    """The container and the video stream to show; what FFmpeg cannot read becomes a MediaError."""
    try:
        with av.open(path, options=OPTIONS) as container:
            stream = select_stream(container)
            _check(stream, container, limits)
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError("video_broken", f"the video cannot be decoded: {error}") from error


def select_stream(container: Any) -> Any:
    """The video stream that players show: the default one, else the first; cover art is no video.

    Raises MediaError `video_empty`, or `video_broken` where the file was cut.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        if is_truncated(container.name):
            raise MediaError("video_broken", "the file was cut before its video stream: send it again")
        raise MediaError("video_empty", "the file has no video stream")
    return next((s for s in streams if s.disposition & Disposition.default), streams[0])


def frame_orientation(frame: Any) -> int:
    """The orientation code of a frame's display matrix."""
    try:
        matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    except ValueError:
        # PyAV cannot list side data of a kind it does not know; the rotation alone can still be read
        return ROTATIONS.get(round(float(frame.rotation)) % 360, UPRIGHT)
    return UPRIGHT if matrix is None else matrix_orientation(matrix)


def next_pts(pts: int | None, last: int | None) -> int:
    """A frame's time after one at `last`: a missing or repeated pts would break the order of presentation."""
    if last is None:
        return 0 if pts is None else int(pts)
    return max(last + 1 if pts is None else int(pts), last + 1)


class VideoDecoder:
    """Frames of a stream with pts and orientation code; one that was cut ends where decoding fails."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream = container, stream
        self.pixel_aspect = _pixel_aspect(stream)
        # reading side data ties a frame into a reference cycle: it is read once per rotation, not per frame
        self._codes: dict[float, int] = {}
        self.count = 0
        self.failed = False

    def to_rgb(self, frame: Any, orientation: int) -> NDArray[np.uint8]:
        """A decoded frame as upright RGB (H, W, 3) with square pixels."""
        aspect = self.pixel_aspect
        width = round(frame.width * aspect) if aspect > 1 else frame.width
        height = round(frame.height / aspect) if aspect < 1 else frame.height
        # 8 bits are too few for the shadows of linear light; FFmpeg widens 8 bits inexactly
        bits = 16 if _count_bits(frame) > 8 else 8
        transfer, _, _ = _color_codes(frame, self._stream)
        curve = build_srgb_curve(transfer, bits)
        format = "rgb24" if curve is None or bits == 8 else "rgb48le"
        pixels = frame.to_ndarray(format=format, width=width, height=height)
        return apply_orientation(pixels if curve is None else apply_curve(pixels, curve), orientation)

    def frames(self) -> Iterator[tuple[int, Any, int]]:
        """Each frame with its pts, in order of presentation, and the orientation that it has to be given."""
        last: int | None = None
        for frame, code in self._decode():
            last = next_pts(frame.pts, last)
            self.count += 1
            yield last, frame, code

    def _decode(self) -> Iterator[tuple[Any, int]]:
        # a folder of JPEG or PNG files packed into a video keeps the EXIF block of each
        still = self._stream.codec_context.name in STILL_CODECS
        codes: dict[int | None, int] = {}
        try:
            for packet in self._container.demux(self._stream):
                if still and packet.size:
                    codes[packet.pts] = packet_orientation(bytes(packet))
                for frame in packet.decode():
                    code = codes.pop(frame.pts, UPRIGHT)
                    yield frame, code if code != UPRIGHT or still else self._orientation(frame)
        except av.error.EOFError:
            return
        except av.error.InvalidDataError:
            if self.count == 0:
                raise
            self.failed = True

    def _orientation(self, frame: Any) -> int:
        rotation = float(frame.rotation)
        if rotation not in self._codes:
            self._codes[rotation] = frame_orientation(frame)
        return self._codes[rotation]


def _end_flags(path: str, container: Any, stream: Any, decoder: VideoDecoder) -> set[str]:
    """Flags that are known once the last frame has been decoded."""
    flags = {"file_truncated"} if is_truncated(path) else set()
    if decoder.failed or (flags and decoder.count < _promised_frames(container, stream)):
        flags.add("frames_missing")
    return flags


def _promised_frames(container: Any, stream: Any) -> int:
    """How many frames a container promises; Matroska and FLV give no number but a duration."""
    seconds = _seconds(stream, container)
    by_duration = math.floor(seconds * stream.average_rate) if seconds and stream.average_rate else 0
    return int(stream.frames) or by_duration


def _color_codes(frame: Any, stream: Any) -> tuple[int, int, int]:
    """Transfer, primaries and matrix of a frame, as codes of ITU-T H.273."""
    # PyAV 15 and before state transfer and primaries for the stream alone
    owner = frame if hasattr(frame, "color_trc") else stream.codec_context
    return int(owner.color_trc), int(owner.color_primaries), int(frame.colorspace)


def _count_bits(frame: Any) -> int:
    return max((component.bits for component in frame.format.components), default=8)


def _pixel_aspect(stream: Any) -> float:
    """Width of a pixel over its height; 1 where it is not stated or cannot be."""
    aspect = stream.sample_aspect_ratio
    return float(aspect) if aspect and MIN_ASPECT <= aspect <= 1 / MIN_ASPECT else 1.0


def _count_frames(stream: Any) -> int | None:
    """The number of frames in the header where the index has as many; None where the two differ."""
    # PyAV 15 and before have no index
    index = getattr(stream, "index_entries", None)
    return int(stream.frames) or None if index is not None and stream.frames == len(index) else None


def _has_edits(stream: Any) -> bool:
    """Whether the presented duration differs from that of all frames by more than one frame."""
    if not (stream.frames and stream.duration and stream.time_base and stream.average_rate):
        return False
    shown: float = float(stream.duration * stream.time_base * stream.average_rate)
    return abs(shown - int(stream.frames)) > 1.0


def _seconds(stream: Any, container: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _check(stream: Any, container: Any, limits: MediaLimits) -> None:
    if stream.codec_context is None:
        raise MediaError("video_broken", "the video's codec is unknown, or the file was cut: send it again")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.video_pixels:
        raise MediaError(
            "video_too_large",
            f"a frame has {width} x {height} pixels; at most {limits.video_pixels:,} are accepted",
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
