"""Frames of a clip whose engine computes when all of them are there: they go on as their results come."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from workers.datasets.clip_batch import ClipBatch
from workers.datasets.clip_frames import ClipFrame
from workers.datasets.stages.tracks import TrackStage
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.track_sources import EngineTracker
from workers.engines.protocols import EngineInfo, FrameResult, VideoFrame

FRAMES = 5


class Late:
    """An engine's tracker that gives every result at the end."""

    def __init__(self) -> None:
        self.frames: list[VideoFrame] = []
        self.given: list[int] = []
        self.is_closed = False

    def step(self, frame: VideoFrame) -> list[FrameResult]:
        self.frames.append(frame)
        return []

    def finish(self) -> Iterator[FrameResult]:
        try:
            for frame in self.frames:
                self.given.append(frame.index)
                yield FrameResult(frame.index, frame.pts, ())
        finally:
            self.is_closed = True

    def snapshot(self) -> bytes:
        return b""


def track(late: Late) -> Iterator[ClipFrame]:
    source: Any = SimpleNamespace(
        info=EngineInfo("late", "concepts", "1", "cpu", "none", (), ()),
        tracker=lambda *_: EngineTracker(late),
    )
    task: Any = SimpleNamespace(source=None, plan=None)
    image = np.zeros((4, 4, 3), np.uint8)
    frames = (
        ClipFrame(number=number, source_frame=number, pts=10 * number, source_shape=(4, 4), image=image)
        for number in range(FRAMES)
    )
    settings: Any = None
    stage = TrackStage(source, settings, Stopwatch())
    return stage.run(ClipBatch(task=task, frames=frames)).frames


def test_a_frame_goes_on_when_its_result_has_come() -> None:
    late = Late()
    for number, frame in enumerate(track(late)):
        assert frame.tracks is not None and frame.tracks.index == frame.number == number
        assert late.given == list(range(number + 1))
    assert late.given == list(range(FRAMES)) and late.is_closed


def test_a_clip_that_is_given_up_ends_the_engine() -> None:
    late = Late()
    frames: Any = track(late)
    next(frames)
    frames.close()
    assert late.is_closed and late.given == [0]
