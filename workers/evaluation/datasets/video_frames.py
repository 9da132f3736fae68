"""Frames of videos that are published as one JPEG per frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from workers.engines.protocols import FrameResult, Tracker, VideoFrame, finish_tracking
from workers.evaluation.datasets.files import read_rgb, require_folder
from workers.evaluation.errors import LayoutError


def list_frames(folder: Path) -> list[Path]:
    """The JPEGs of a folder in the order of their names; raises LayoutError when there are none."""
    frames = sorted(require_folder(folder, "a folder of frames").glob("*.jpg"))
    if not frames:
        raise LayoutError(f"{folder} holds no .jpg")
    return frames


def track_frames(tracker: Tracker, frames: Sequence[Path]) -> Iterator[FrameResult]:
    """Give all frames to a tracker, one at a time, and yield its results as they become final."""
    for index, path in enumerate(frames):
        yield from tracker.step(VideoFrame(index, index, read_rgb(path)))
    with finish_tracking(tracker) as results:
        yield from results
