"""Tracks objects through the frames of a clip; the one stage that may need a GPU."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from workers.datasets.clip_batch import ClipBatch
from workers.datasets.clip_frames import ClipFrame
from workers.datasets.protocols import TrackSource
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.datasets.stages.base import ClipStage
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import FrameResult, finish_tracking


class TrackStage(ClipStage):
    """Adds an engine's results to the stream of frames, while a later stage reads it.

    It needs a GPU where its engine runs on one. Frames whose results an engine holds back wait for them, in
    order, so memory grows with the frames that are held back and not with the clip.
    """

    name = "tracks"
    version = "4"

    def __init__(self, track_source: TrackSource, settings: DatasetSettings, stopwatch: Stopwatch) -> None:
        self._track_source, self._settings, self._stopwatch = track_source, settings, stopwatch
        self.resources = "gpu" if track_source.info.device.startswith("cuda") else "cpu"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Phrases, threshold, engine, and the sizes that it sees and that masks are stored at."""
        info = self._track_source.info
        return {
            "phrases": list(self._settings.phrases),
            "threshold": self._settings.threshold,
            "engine": f"{info.name}/{info.version}",
            "track_size": TRACK_SIZE,
            "size": self._settings.size,
        }

    @property
    def weights(self) -> Mapping[str, str]:
        """The engine's."""
        return dict(self._track_source.info.weights)

    def run(self, batch: ClipBatch) -> ClipBatch:
        """The clip with a stream of frames that carry their tracks."""
        return replace(batch, frames=self._track(batch))

    def _track(self, batch: ClipBatch) -> Iterator[ClipFrame]:
        tracker = self._track_source.tracker(batch.task.source, batch.task.plan)
        waiting: deque[ClipFrame] = deque()
        results: dict[int, FrameResult] = {}
        for frame in batch.frames:
            waiting.append(frame)
            with self._stopwatch("engine"):
                tracked = tracker.step(frame.source_frame, frame.number, frame.pts, frame.image)
            results |= {result.index: result for result in tracked}
            yield from _take_ready(waiting, results)
        with finish_tracking(tracker) as held_back:
            while True:
                with self._stopwatch("engine"):
                    result = next(held_back, None)
                if result is None:
                    break
                results[result.index] = result
                yield from _take_ready(waiting, results)
        for frame in waiting:
            yield replace(frame, tracks=results.get(frame.number))


def _take_ready(waiting: deque[ClipFrame], results: dict[int, FrameResult]) -> Iterator[ClipFrame]:
    """The frames at the front that have their results."""
    while waiting and waiting[0].number in results:
        ready = waiting.popleft()
        yield replace(ready, tracks=results.pop(ready.number))
