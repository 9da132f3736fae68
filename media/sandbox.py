"""The parent's side of the sandbox: decode untrusted media in a child that can be killed."""

import fcntl
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from media import wire
from media.child_process import ChildProcess, start_child
from media.errors import MediaError
from media.limits import MediaLimits

T = TypeVar("T")
# bytes of the pipe from the child
PIPE_BYTES = 1 << 20
# an image of 50 megapixels; a larger one is decoded for each job
MAX_KEPT_BYTES = 160 << 20


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Upright sRGB pixels (H, W, 3) uint8, and what EXIF says of the camera, None if unstated.

    `focal_35mm` in millimetres of 35 mm film; `elevation_deg` of the optical axis above the horizon.
    """

    pixels: NDArray[np.uint8]
    focal_35mm: float | None
    elevation_deg: float | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One video frame: `index` counts from 0, `pts` counts ticks of the time base."""

    index: int
    pts: int
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DecodedDepth:
    """The values (H, W) float32 of one depth map in the units of the file, and whether they are integers."""

    values: NDArray[np.float32]
    integers: bool


Frames = Generator[DecodedFrame, None, None]
Depths = Generator[DecodedDepth, None, None]


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """Frames from index `first` on (or down), with the time base of their pts in seconds.

    `flags` is empty until the last frame was read, for only the end shows whether frames are missing.
    """

    time_base: tuple[int, int]
    first: int
    frames: Frames
    flags: list[str]


class Sandbox:
    """One child process, started when needed and again after it was killed; threads may share it."""

    # what the child runs
    module = "media.sandbox_child"

    def __init__(self, limits: MediaLimits | None = None) -> None:
        self.limits = limits or MediaLimits()
        self._child: ChildProcess | None = None
        self._second: Sandbox | None = None
        self._lock = threading.Lock()
        self._kept: tuple[str, DecodedImage] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def second(self) -> "Sandbox":
        """Another sandbox, to decode something while frames of this one are read; closed with this one."""
        if self._second is None:
            self._second = Sandbox(self.limits)
        return self._second

    def close(self) -> None:
        """Stop the child."""
        self._stop()
        if self._second is not None:
            self._second.close()

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def start(self) -> None:
        """Start the child now, so that the first request does not wait for it."""
        with self._lock:
            self._ensure_child()

    def probe(self, path: Path) -> dict[str, Any]:
        """Kind, media type, size, frames, duration and codec; raises MediaError."""
        with self._lock:
            header, _ = self._request({"op": "probe", "path": str(path)}, self.limits.probe_seconds)
        header.pop("bytes")
        return header

    def image(self, path: Path, *, key: str | None = None) -> DecodedImage:
        """Decode an image, or the first frame of an animation; raises MediaError.

        With a `key` of its content the pixels are read-only, and the last such image is not decoded again.
        """
        with self._lock:
            if key is not None and self._kept is not None and self._kept[0] == key:
                return self._kept[1]
            header, payload = self._request({"op": "image", "path": str(path)}, self.limits.decode_seconds)
            pixels = _to_pixels(header, payload)
            image = DecodedImage(
                pixels, header["focal_35mm"], header["elevation_deg"], tuple(header["flags"])
            )
            if key is not None:
                pixels.setflags(write=False)
                self._kept = (key, image) if pixels.nbytes <= MAX_KEPT_BYTES else None
        return image

    def depth(self, path: Path) -> tuple[NDArray[np.float32], bool]:
        """The values of a depth map (H, W) or point map (H, W, 3), and whether they are integers.

        Raises MediaError.
        """
        with self._lock:
            header, payload = self._request({"op": "depth", "path": str(path)}, self.limits.decode_seconds)
        return np.frombuffer(payload, dtype=np.float32).reshape(header["shape"]), bool(header["integers"])

    def frames(
        self,
        path: Path,
        *,
        animated: bool = False,
        start: int | None = None,
        backward: bool = False,
        limit: int | None = None,
    ) -> OpenVideo:
        """The frames of a video in constant memory; close them to decode something else.

        They begin at frame `start` (by default the first; backward, the last) and run to the end (backward,
        to frame 0), `limit` at most. Raises MediaError, `frame_beyond_end` for a start beyond the last frame.
        """
        self._lock.acquire()
        try:
            request = {
                "op": "animation" if animated else "video",
                "path": str(path),
                "start": start,
                "backward": backward,
                "limit": limit,
            }
            header, _ = self._request(request, self.limits.decode_seconds)
            while "skipped" in header:
                header, _ = self._receive(self.limits.decode_seconds)
        except BaseException:
            self._lock.release()
            raise
        step = -1 if backward else 1
        indices = count(header["first"], step)

        def read(header: dict[str, Any], payload: bytearray) -> DecodedFrame:
            return DecodedFrame(next(indices), header["pts"], _to_pixels(header, payload))

        flags: list[str] = []
        frames = self._stream(DecodedFrame(-1, 0, np.zeros((0, 0, 3), np.uint8)), read, flags)
        base = header["time_base"]
        return OpenVideo((base[0], base[1]), header["first"], frames, flags)

    def depths(self, path: Path, *, start: int = 0, limit: int | None = None) -> Depths:
        """The depth maps of a video from frame `start` on, `limit` at most, in constant memory.

        Close them to decode something else. Raises MediaError; there are none after the last frame.
        """
        self._lock.acquire()
        try:
            request = {"op": "depths", "path": str(path), "start": start, "limit": limit}
            self._request(request, self.limits.decode_seconds)
        except BaseException:
            self._lock.release()
            raise

        def read(header: dict[str, Any], payload: bytearray) -> DecodedDepth:
            values = np.frombuffer(payload, dtype=np.float32).reshape(header["shape"])
            return DecodedDepth(values, bool(header["integers"]))

        return self._stream(DecodedDepth(np.zeros((0, 0), np.float32), integers=False), read)

    def _stream(
        self, placeholder: T, read: Callable[[dict[str, Any], bytearray], T], flags: list[str] | None = None
    ) -> Generator[T, None, None]:
        frames = self._messages(placeholder, read, [] if flags is None else flags)
        # a generator that never started would not release the lock when it is closed
        next(frames)
        return frames

    def _messages(
        self, placeholder: T, read: Callable[[dict[str, Any], bytearray], T], flags: list[str]
    ) -> Generator[T, None, None]:
        complete = False
        try:
            yield placeholder
            while True:
                header, payload = self._receive(self.limits.decode_seconds)
                if header.get("end"):
                    complete = True
                    flags.extend(header.get("flags", ()))
                    return
                if "skipped" in header:
                    continue
                yield read(header, payload)
        finally:
            if not complete:
                self._stop()
            self._lock.release()

    def _request(self, request: dict[str, Any], timeout: float) -> tuple[dict[str, Any], bytearray]:
        child = self._ensure_child()
        try:
            wire.send(child.to_child, request)
        except BrokenPipeError:
            self._stop()
            child = self._ensure_child()
            wire.send(child.to_child, request)
        return self._receive(timeout)

    def _receive(self, timeout: float) -> tuple[dict[str, Any], bytearray]:
        child = self._child
        if child is None:
            raise MediaError("decoding_stopped", "decoding was stopped")
        try:
            header, payload = wire.receive(child.from_child, timeout)
        except TimeoutError:
            self._stop()
            raise MediaError(
                "decoding_too_slow", f"decoding took more than {timeout:.0f} seconds", 413
            ) from None
        except wire.Closed:
            self._stop()
            raise MediaError("decoding_crashed", "the decoder crashed on these bytes") from None
        if "error" in header:
            raise MediaError(header["error"], header["detail"], header["status"])
        return header, payload

    def _ensure_child(self) -> ChildProcess:
        if self._child is not None and self._child.is_alive():
            return self._child
        # the pipes of a child that died are still open
        self._stop()
        self._child = start_child(self.module)
        # a pipe's default 64 kB holds a fraction of a frame; where it cannot grow, reading is only slower
        with suppress(OSError, AttributeError):
            fcntl.fcntl(self._child.from_child, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        wire.send(self._child.to_child, {"limits": asdict(self.limits)})
        self._receive(30)
        return self._child


def _to_pixels(header: dict[str, Any], payload: bytearray) -> NDArray[np.uint8]:
    return np.frombuffer(payload, dtype=np.uint8).reshape(header["shape"])
