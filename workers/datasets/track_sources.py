"""Where the tracks of a clip come from: a concept engine with phrases, or an oracle with exact masks."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.protocols import ClipTracker
from workers.datasets.recorded_tracks import to_builtin
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.engines.protocols import (
    ConceptEngine,
    EngineInfo,
    FrameResult,
    Mask,
    Rgb,
    TrackedInstance,
    Tracker,
    TrackPrompts,
    VideoFrame,
    finish_tracking,
)
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box


class EngineTracks:
    """The phrases of a job, tracked by a concept engine."""

    def __init__(self, engine: ConceptEngine, settings: DatasetSettings) -> None:
        self._engine = engine
        thresholds = (settings.threshold,) * len(settings.phrases)
        self._prompts = TrackPrompts(settings.phrases, thresholds)

    @property
    def info(self) -> EngineInfo:
        """The engine's."""
        return self._engine.info

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """A tracker that has seen nothing yet."""
        return EngineTracker(self._engine.tracker(self._prompts))


class OracleTracks:
    """Exact masks, from `Source.truth.objects`; labels take the place of phrases."""

    info = EngineInfo("oracle", "concepts", "1", "none", "none", (), ())

    def __init__(self, phrases: Sequence[str]) -> None:
        self._phrases = tuple(phrases)

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """The exact masks of a clip; raises ValueError for a source without them."""
        if source.truth.objects is None:
            raise ValueError(f"source {source.sha256[:12]} has no known masks")
        return OracleTracker(source, self._phrases)


class RemoteTracks:
    """The engine of another worker: known by its info alone, which keys need."""

    def __init__(self, info: EngineInfo) -> None:
        self.info = info

    def tracker(self, source: Source, plan: ClipPlan) -> ClipTracker:
        """Raise RuntimeError: an executor places tracking where the engine is."""
        raise RuntimeError(f"{self.info.name} is not loaded in this worker")


class EngineTracker:
    """An engine's tracker, whose results hold Python's own numbers as recorded ones do."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        """Take the next frame; `frame` counts those of the clip."""
        return [to_builtin(result) for result in self._tracker.step(VideoFrame(frame, pts, image))]

    def finish(self) -> Iterator[FrameResult]:
        """The results that were held back, as they become final."""
        with finish_tracking(self._tracker) as results:
            for result in results:
                yield to_builtin(result)


class OracleTracker:
    """Exact masks as tracks, each final with its frame."""

    def __init__(self, source: Source, phrases: Sequence[str]) -> None:
        self._truth = source.truth
        self._phrases = tuple(phrases)

    def step(self, source_frame: int, frame: int, pts: int, image: Rgb) -> Sequence[FrameResult]:
        """The objects of a frame whose labels are among the phrases."""
        assert self._truth.objects is not None
        objects = []
        for number, mask in sorted(self._truth.objects(source_frame).items()):
            label = self._truth.labels.get(number)
            if label not in self._phrases:
                continue
            mask = _fit_mask(mask, image)
            if not mask.any():
                continue
            objects.append(
                TrackedInstance(
                    id=number,
                    mask=mask,
                    box=bounding_box(mask),
                    score=1.0,
                    prompt=self._phrases.index(label),
                    label=label,
                    flags=truncation_flags(mask),
                )
            )
        return [FrameResult(frame, pts, tuple(objects))]

    def finish(self) -> Sequence[FrameResult]:
        """Nothing is held back."""
        return ()


def _fit_mask(mask: Mask, image: Rgb) -> Mask:
    """A mask at the size of an image."""
    if mask.shape == image.shape[:2]:
        return mask
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
