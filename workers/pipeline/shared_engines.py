"""The engines as one of several jobs of a process sees them: all calls go through the engine's thread."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.gpu_faults import is_out_of_memory, release_memory
from workers.engines.protocols import (
    BatchedBodyEngine,
    BatchedConceptEngine,
    Box,
    ConceptEngine,
    GroundingQuery,
    ImageHandle,
    MaskCleanup,
    Rgb,
    SegmentedInstance,
    SemanticEngine,
    Tracker,
    TrackPrompts,
    VisualPrompt,
)
from workers.engines.registry import EngineSet
from workers.pipeline.batcher import Batcher, Operation
from workers.pipeline.shared_bodies import BodyOperations, SharedBodies


class SharedEngines:
    """The engines of a process, for its jobs; made once, so that calls of all jobs meet in one batch."""

    def __init__(self, engines: EngineSet, batcher: Batcher) -> None:
        self._engines, self._batcher = engines, batcher
        concepts = engines.loaded.get("concepts")
        self._operations = None if concepts is None else ConceptOperations(concepts)
        bodies: Any = engines.loaded.get("bodies")
        self._bodies = BodyOperations(bodies) if isinstance(bodies, BatchedBodyEngine) else None

    def open(self, check: Callable[[], None]) -> EngineSet:
        """The engines for one job, whose waiting calls end when `check` raises."""
        loaded = dict(self._engines.loaded)
        if self._operations is not None:
            loaded["concepts"] = SharedConcepts(self._operations, self._batcher, check)
        if self._bodies is not None:
            loaded["bodies"] = SharedBodies(self._bodies, self._batcher, check)
        return EngineSet(self._engines.suite, loaded, self._engines.failures)


class ConceptOperations:
    """What jobs ask of a concept engine: in batches where the engine offers them, else one call at a time."""

    def __init__(self, engine: ConceptEngine) -> None:
        self.engine = engine
        self.batched = engine if isinstance(engine, BatchedConceptEngine) else None
        if self.batched is None:
            self.embed = Operation("embed", self._embed_each, limit=1)
            self.ground = Operation("ground", self._ground_each, limit=1)
        else:
            self.embed = Operation("embed", self.batched.embed_batch)
            self.ground = Operation("ground", self.batched.ground_batch)
        # calls that name what they run themselves
        self.other = Operation("prompt", _call_each, limit=1)

    def _embed_each(self, items: Sequence[tuple[Rgb, str]]) -> list[ImageHandle]:
        return [self.engine.embed(*item) for item in items]

    def _ground_each(self, queries: Sequence[GroundingQuery]) -> list[list[SegmentedInstance]]:
        return [
            self.engine.ground(
                query.handle, query.phrases, thresholds=query.thresholds, cleanup=query.cleanup
            )
            for query in queries
        ]


class SharedConcepts:
    """The concept engine as one job sees it."""

    def __init__(self, operations: ConceptOperations, batcher: Batcher, check: Callable[[], None]) -> None:
        self._operations, self._engine = operations, operations.engine
        self._batcher, self._check = batcher, check
        self.info = operations.engine.info

    def check(self, phrases: Sequence[str]) -> None:
        """Raise UnknownPhrase for the first phrase that the engine can never answer."""
        self._engine.check(phrases)

    def embed(self, image: Rgb, key: str) -> ImageHandle:
        """Embed an image (H, W, 3), together with those of other jobs."""
        operations = self._operations
        item = (image, key) if operations.batched is None else operations.batched.prepare(image, key)
        handle: ImageHandle = self._batcher.call(operations.embed, item, self._check, key)
        return handle

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase."""
        batched = self._operations.batched
        query = GroundingQuery(handle, tuple(phrases), tuple(thresholds), cleanup)
        raw = self._batcher.call(self._operations.ground, query, self._check)
        found: list[SegmentedInstance] = raw if batched is None else self._finish(batched, query, raw)
        return found

    def _finish(
        self, batched: BatchedConceptEngine, query: GroundingQuery, raw: Any
    ) -> list[SegmentedInstance]:
        try:
            return batched.finish(query, raw)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # there was too little memory beside a batch: once more while the engine does nothing else
        release_memory()
        found: list[SegmentedInstance] = self._call(lambda: batched.finish(query, raw))
        return found

    def ground_exemplars(
        self,
        handle: ImageHandle,
        boxes: Sequence[Box],
        labels: Sequence[int],
        *,
        shown: Sequence[ImageHandle | None] = (),
        threshold: float | None = None,
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances that look like the boxes labelled 1 and unlike those labelled 0, best first."""
        found: list[SegmentedInstance] = self._call(
            lambda: self._engine.ground_exemplars(
                handle, boxes, labels, shown=shown, threshold=threshold, cleanup=cleanup
            )
        )
        return found

    def map_semantics(self, handle: ImageHandle, phrases: Sequence[str]) -> list[NDArray[np.float32]]:
        """How likely each pixel belongs to each phrase's concept."""
        engine = self._engine
        if not isinstance(engine, SemanticEngine):
            raise TypeError(f"engine {self.info.name!r} has no semantic maps")
        maps: list[NDArray[np.float32]] = self._call(lambda: engine.map_semantics(handle, phrases))
        return maps

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per prompt, in order."""
        found: list[SegmentedInstance] = self._call(lambda: self._engine.segment(handle, prompts))
        return found

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker that is not shared: jobs that track run alone."""
        return self._engine.tracker(prompts, state=state)

    def _call(self, run: Callable[[], Any]) -> Any:
        return self._batcher.call(self._operations.other, run, self._check)


def _call_each(items: Sequence[Callable[[], Any]]) -> list[Any]:
    return [item() for item in items]
