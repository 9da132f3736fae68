"""The child that reads untrusted bytes: with limited memory, without new files, one request at a time."""

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from media import assets, depth, depth_frames, images, reverse_reading, video, wire
from media.errors import MediaError
from media.limits import MediaLimits

# skipped frames per message to the parent
SKIPPED_EVERY = 64


Handler = Callable[[int, dict[str, Any], MediaLimits], None]


def main() -> None:
    """Decode media until standard input closes."""
    serve_requests(_serve)


def serve_requests(handle: Handler, *, file_bytes: int = 0) -> None:
    """Answer requests from standard input until it closes; a written file may have `file_bytes` at most.

    `handle` takes the descriptor to answer on, the request and the limits; it raises MediaError.
    """
    inbox, outbox = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    limits = MediaLimits(**wire.receive(inbox)[0]["limits"])
    address_space = _address_space() + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    # a traceback written to a log file must not kill the child
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wire.send(outbox, {"ready": True})
    while True:
        try:
            request, _ = wire.receive(inbox)
        except wire.Closed:
            return
        try:
            handle(outbox, request, limits)
        except MediaError as error:
            wire.send(outbox, {"error": error.code, "detail": error.detail, "status": error.status})
        except MemoryError:
            wire.send(
                outbox,
                {"error": "media_too_costly", "detail": "decoding needs too much memory", "status": 413},
            )


def _address_space() -> int:
    """Bytes of address space that the interpreter and the decoders take before the first medium."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _serve(outbox: int, request: dict[str, Any], limits: MediaLimits) -> None:
    path = str(request["path"])
    if request["op"] == "probe":
        info = (
            images.probe(path, limits) or depth.probe(path) or assets.probe(path) or video.probe(path, limits)
        )
        if info is None:
            raise MediaError(
                "unsupported_media",
                "the bytes are neither an image (JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF, BMP), a video (MP4, "
                "MOV, WebM, MKV, AVI), a splat or mesh (PLY, SPZ, SOG, GLB, OBJ), nor depth (NPY, NPZ) that "
                "can be read",
                415,
            )
        wire.send(outbox, info)
    elif request["op"] == "image":
        pixels, info = images.decode(path, limits)
        wire.send(outbox, {"shape": pixels.shape, **info}, pixels.data.cast("B"))
    elif request["op"] == "depth":
        values, integers = depth.decode(path, limits)
        wire.send(outbox, {"shape": values.shape, "integers": integers}, values.data.cast("B"))
    elif request["op"] == "depths":
        _send_depth_frames(outbox, request, limits)
    else:
        _send_frames(outbox, request, limits)


def _send_depth_frames(outbox: int, request: dict[str, Any], limits: MediaLimits) -> None:
    wire.send(outbox, {"opened": True})
    maps = depth_frames.decode(str(request["path"]), limits, int(request["start"]), _report_skipped(outbox))
    for values, integers in islice(maps, request["limit"]):
        wire.send(outbox, {"shape": values.shape, "integers": integers}, values.data.cast("B"))
    wire.send(outbox, {"end": True})


def _report_skipped(outbox: int) -> Callable[[], None]:
    """What to call for each frame before the first one requested."""
    skipped = count()

    def on_skip() -> None:
        # a long way to the first frame must not look like a decoder that hangs
        if next(skipped) % SKIPPED_EVERY == 0:
            wire.send(outbox, {"skipped": True})

    return on_skip


def _send_frames(outbox: int, request: dict[str, Any], limits: MediaLimits) -> None:
    path, start = str(request["path"]), request["start"]
    animated = request["op"] == "animation"
    on_skip = _report_skipped(outbox)
    flags: set[str] = set()
    frames: Iterator[reverse_reading.Frame]
    if request["backward"]:
        first, frames = reverse_reading.decode_backward(
            path, limits, animated=animated, start=start, on_skip=on_skip
        )
    elif animated:
        first, frames = start or 0, images.decode_animation(path, limits, start or 0, flags)
    else:
        first, frames = start or 0, video.decode(path, limits, start or 0, on_skip, flags)
    base = (1, 1000) if animated else video.read_time_base(path)
    wire.send(outbox, {"time_base": base, "first": first})
    empty = True
    for pts, frame in islice(frames, request["limit"]):
        empty = False
        wire.send(outbox, {"pts": pts, "shape": frame.shape}, frame.data.cast("B"))
    if empty and first:
        raise MediaError("frame_beyond_end", f"the video ends before frame {first}")
    wire.send(outbox, {"end": True, "flags": sorted(flags)})


if __name__ == "__main__":
    main()
    sys.exit(0)
