"""The stream of a clip's frames, from the decoder to the stage that measures them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from media.sandbox import DecodedFrame
from workers.datasets.images import fit_size, resize_area
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import FrameResult, Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFrame:
    """A kept frame: its place in the clip and in the source, both from 0, and its image at the tracked size.

    `source_shape` is (height, width) of the decoded frame. `tracks` is what an engine found in it, None
    before tracking and where the engine returned nothing.
    """

    number: int
    source_frame: int
    pts: int
    source_shape: tuple[int, int]
    image: Rgb
    tracks: FrameResult | None = None


def read_frames(
    decoded: Iterator[DecodedFrame],
    source: Source,
    settings: DatasetSettings,
    stopwatch: Stopwatch,
    report: Callable[[int], None],
) -> Iterator[ClipFrame]:
    """Decoded frames at the size that engines see; `report` gets the number of those that are finished."""
    size = fit_size(source.width, source.height, max(settings.size, TRACK_SIZE))
    number = 0
    while True:
        with stopwatch("decode"):
            frame = next(decoded, None)
        if frame is None:
            return
        height, width = frame.pixels.shape[:2]
        with stopwatch("pictures"):
            image = resize_area(frame.pixels, size)
        yield ClipFrame(
            number=number,
            source_frame=frame.index,
            pts=frame.pts,
            source_shape=(height, width),
            image=image,
        )
        number += 1
        report(number)
