"""Reads the frames of a video from last to first, one window in memory at a time; runs in the sandbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from media import images, video
from media.errors import MediaError
from media.limits import MediaLimits

# memory for the frames of one window; chosen, not measured
WINDOW_BYTES = 256 << 20
Frame = tuple[int, NDArray[np.uint8]]
# frames [begin, stop) of a medium, in order
Window = Callable[[int, int], list[Frame]]


@dataclass(frozen=True, slots=True)
class _FramePosition:
    """Position of a frame: the container's pts, the presented pts, and whether decoding may start here."""

    pts: int | None
    time: int
    key: bool


def decode_backward(
    path: str, limits: MediaLimits, *, animated: bool, start: int | None, on_skip: Callable[[], None]
) -> tuple[int, Iterator[Frame]]:
    """The index of the first frame returned (`start`, or the last) and the frames from there down to 0.

    `on_skip` is called for each frame that is read before them. Raises MediaError (`frame_beyond_end`) when
    the video has no frame `start`.
    """
    window, count = _open_animation(path, limits) if animated else _open_video(path, limits, on_skip)
    first = count - 1 if start is None else start
    if not 0 <= first < count:
        raise MediaError("frame_beyond_end", f"the video has {count} frames: there is no frame {first}")
    return first, _descending(window, first)


def _descending(window: Window, first: int) -> Iterator[Frame]:
    stop, length = first + 1, 1
    while stop > 0:
        begin = max(0, stop - length)
        frames = window(begin, stop)
        yield from reversed(frames)
        length, stop = max(1, WINDOW_BYTES // frames[0][1].nbytes), begin


def _open_animation(path: str, limits: MediaLimits) -> tuple[Window, int]:
    def window(begin: int, stop: int) -> list[Frame]:
        return list(islice(images.decode_animation(path, limits, begin), stop - begin))

    return window, sum(1 for _ in images.decode_animation(path, limits))


def _open_video(path: str, limits: MediaLimits, on_skip: Callable[[], None]) -> tuple[Window, int]:
    positions = _index_frames(path, limits, on_skip)

    def window(begin: int, stop: int) -> list[Frame]:
        # where the container seeks badly, the window is decoded from the start
        return _seek_window(path, limits, positions, begin, stop) or list(
            islice(video.decode(path, limits, begin, on_skip), stop - begin)
        )

    return window, len(positions)


def _index_frames(path: str, limits: MediaLimits, on_skip: Callable[[], None]) -> list[_FramePosition]:
    positions: list[_FramePosition] = []
    with video.open_video(path, limits) as (container, stream):
        for pts, frame, _ in video.VideoDecoder(container, stream).frames():
            on_skip()
            positions.append(_FramePosition(frame.pts, pts, bool(frame.key_frame)))
            if len(positions) > limits.video_frames:
                raise MediaError("video_too_long", f"more than {limits.video_frames:,} frames", 413)
    return positions


def _seek_window(
    path: str, limits: MediaLimits, positions: list[_FramePosition], begin: int, stop: int
) -> list[Frame] | None:
    """Frames [begin, stop) decoded from the last key frame before them; None when one is missing."""
    key = next((index for index in range(begin, -1, -1) if positions[index].key), 0)
    wanted = {position.pts: index for index, position in enumerate(positions[begin:stop])}
    if key == 0 or None in wanted or len(wanted) < stop - begin:
        return None
    frames: dict[int, Frame] = {}
    with video.open_video(path, limits) as (container, stream):
        container.seek(positions[key].pts, stream=stream)
        decoder = video.VideoDecoder(container, stream)
        for _, frame, code in decoder.frames():
            index = wanted.get(frame.pts)
            if index is not None:
                frames[index] = positions[begin + index].time, decoder.to_rgb(frame, code)
            if len(frames) == stop - begin:
                return [frames[number] for number in range(stop - begin)]
    return None
