"""Who follows objects through a clip: a concept engine with phrases, or an oracle with known masks."""

from collections.abc import Sequence

import cv2
import numpy as np

from workers.datasets.recorded_tracks import to_builtin
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import ClipTracker, Source
from workers.engines.protocols import (
    ConceptEngine,
    EngineInfo,
    FrameResult,
    Rgb,
    TrackedInstance,
    Tracker,
    TrackPrompts,
    VideoFrame,
)
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box


class EngineTracks:
    """The phrases of a job, followed by a concept engine."""

    def __init__(self, engine: ConceptEngine, settings: DatasetSettings) -> None:
        self._engine = engine
        thresholds = (settings.threshold,) * len(settings.phrases)
        self._prompts = TrackPrompts(settings.phrases, thresholds)

    @property
    def info(self) -> EngineInfo:
        """The engine's."""
        return self._engine.info

    def tracks(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """A tracker that has seen nothing yet."""
        return EngineTracker(self._engine.tracker(self._prompts))


class OracleTracks:
    """Known masks, by `Source.truth.objects`; labels take the place of phrases."""

    info = EngineInfo("oracle", "concepts", "1", "none", "none", (), ())

    def __init__(self, phrases: Sequence[str]) -> None:
        self._phrases = tuple(phrases)

    def tracks(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """The known masks of a clip; raises ValueError for a source without them."""
        if source.truth.objects is None:
            raise ValueError(f"source {source.sha256[:12]} has no known masks")
        return OracleTracker(source, self._phrases)


class EngineTracker:
    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        return [to_builtin(result) for result in self._tracker.step(VideoFrame(frame, pts, image))]

    def finish(self) -> Sequence[FrameResult]:
        return [to_builtin(result) for result in self._tracker.finish()]


class OracleTracker:
    def __init__(self, source: Source, phrases: Sequence[str]) -> None:
        self._truth = source.truth
        self._phrases = tuple(phrases)

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        assert self._truth.objects is not None
        size = image.shape[1], image.shape[0]
        found = []
        for number, mask in sorted(self._truth.objects(source_frame).items()):
            label = self._truth.labels.get(number)
            if label not in self._phrases:
                continue
            if mask.shape != image.shape[:2]:
                mask = np.asarray(
                    cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
                )
            if not mask.any():
                continue
            flags = truncation_flags(mask)
            prompt = self._phrases.index(label)
            found.append(TrackedInstance(number, mask, bounding_box(mask), 1.0, prompt, label, flags))
        return [FrameResult(frame, pts, tuple(found))]

    def finish(self) -> Sequence[FrameResult]:
        return ()
