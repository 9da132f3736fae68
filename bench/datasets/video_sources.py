"""Video files as sources of a dataset, read through the sandbox."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.sandbox import Sandbox
from tests.support.media_files import write_clip
from tests.support.scenes import load_motorcycle
from workers.datasets.source import Source, SourceFrames


def open_source(sandbox: Sandbox, path: Path) -> Source:
    """A video file as a source; its hash is made up from its size."""
    probe = sandbox.probe(path)

    def open_frames(first: int, count: int | None) -> SourceFrames:
        video = sandbox.frames(path, start=first, limit=count)
        return SourceFrames(video.time_base, video.frames)

    return Source(
        f"{path.stat().st_size:064x}",
        probe["width"],
        probe["height"],
        probe["frames"],
        probe["frame_rate"],
        open_frames,
    )


def write_ride(path: Path, frames: int, size: tuple[int, int] = (960, 540)) -> Path:
    """Write a video of a photo of a motorcycle that moves sideways by 3 pixels per frame."""
    photo = load_motorcycle(size)
    images: Iterable[NDArray[np.uint8]] = (np.roll(photo, 3 * index, axis=1) for index in range(frames))
    return write_clip(path, images, rate=24, crf=20)
