"""Frames of a video from last to first, a window of them in memory at a time; runs inside the sandbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from media import images, video
from media.errors import MediaError
from media.limits import MediaLimits

WINDOW_BYTES = 256 << 20
Frame = tuple[int, NDArray[np.uint8]]
# frames [begin, stop) of a medium, in order
Window = Callable[[int, int], list[Frame]]


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a frame is: the container's pts, and whether decoding may start here."""

    pts: int | None
    time: int
    key: bool


def backwards(
    path: str, limits: MediaLimits, *, animated: bool, start: int | None, on_skip: Callable[[], None]
) -> tuple[int, Iterator[Frame]]:
    """The index that is given first (`start`, or the last) and the frames from there down to 0.

    `on_skip` is called for each frame that is read before them. Raises MediaError (`frame_beyond_end`) when
    the video has no frame `start`.
    """
    window, count = _animation(path, limits) if animated else _video(path, limits, on_skip)
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


def _animation(path: str, limits: MediaLimits) -> tuple[Window, int]:
    def window(begin: int, stop: int) -> list[Frame]:
        return list(islice(images.animation(path, limits, begin), stop - begin))

    return window, sum(1 for _ in images.animation(path, limits))


def _video(path: str, limits: MediaLimits, on_skip: Callable[[], None]) -> tuple[Window, int]:
    marks = _marks(path, limits, on_skip)

    def window(begin: int, stop: int) -> list[Frame]:
        # a container may seek badly: then the window is reached from the start
        return _sought(path, limits, marks, begin, stop) or list(
            islice(video.decode(path, limits, begin, on_skip), stop - begin)
        )

    return window, len(marks)


def _marks(path: str, limits: MediaLimits, on_skip: Callable[[], None]) -> list[_Mark]:
    marks: list[_Mark] = []
    with video.opened(path, limits) as (container, stream):
        for pts, frame, _ in video.VideoDecoder(container, stream).frames():
            on_skip()
            marks.append(_Mark(frame.pts, pts, bool(frame.key_frame)))
            if len(marks) > limits.video_frames:
                raise MediaError("video_too_long", f"more than {limits.video_frames:,} frames", 413)
    return marks


def _sought(path: str, limits: MediaLimits, marks: list[_Mark], begin: int, stop: int) -> list[Frame] | None:
    """Frames [begin, stop) decoded from the last key frame before them; None when one of them is not met."""
    key = next((index for index in range(begin, -1, -1) if marks[index].key), 0)
    wanted = {mark.pts: index for index, mark in enumerate(marks[begin:stop])}
    if key == 0 or None in wanted or len(wanted) < stop - begin:
        return None
    frames: dict[int, Frame] = {}
    with video.opened(path, limits) as (container, stream):
        container.seek(marks[key].pts, stream=stream)
        decoder = video.VideoDecoder(container, stream)
        for _, frame, code in decoder.frames():
            index = wanted.get(frame.pts)
            if index is not None:
                frames[index] = marks[begin + index].time, decoder.to_rgb(frame, code)
            if len(frames) == stop - begin:
                return [frames[number] for number in range(stop - begin)]
    return None
