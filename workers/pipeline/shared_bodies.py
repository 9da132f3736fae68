"""A body engine that accepts batches, as one of several jobs of a process sees it."""

from collections.abc import Callable, Sequence
from typing import Any

from workers.engines.protocols import (
    BatchedBodyEngine,
    BodyControls,
    BodyEngine,
    BodyEstimate,
    BodyQuery,
    Box,
    LodBodyEngine,
    Mask,
    Rgb,
)
from workers.geometry.cameras import Camera
from workers.pipeline.batcher import Batcher, Operation


class BodyOperations:
    """What jobs ask of a body engine, in batches; made once, so that calls of all jobs meet."""

    def __init__(self, engine: Any) -> None:
        """`engine` is a body engine that accepts batches."""
        self.engine: BodyEngine = engine
        batched: BatchedBodyEngine = engine
        self.batched = batched
        self.recover = Operation("bodies", batched.recover_batch)


class SharedBodies:
    """The body engine as one job sees it."""

    def __init__(self, operations: BodyOperations, batcher: Batcher, check: Callable[[], None]) -> None:
        self._operations, self._batcher, self._check = operations, batcher, check
        self.info = operations.engine.info

    def recover(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        """One body per box, in order; people of other jobs share the pass. `seed` has no effect."""
        return self.recover_prompted(image, boxes, BodyControls(), masks, camera=camera)

    def recover_prompted(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        controls: BodyControls,
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
    ) -> list[BodyEstimate | None]:
        """One body per box as the controls say; raises RequestRefused `keypoint_unknown`."""
        batched = self._operations.batched
        call = batched.prepare_people(BodyQuery(image, tuple(boxes), controls, masks, camera))
        return batched.finish_people(call, self._batcher.call(self._operations.recover, call, self._check))

    def at_lod(self, body: BodyEstimate, lod: int) -> BodyEstimate:
        """A body of this engine at another level of detail; flagged `lod_ignored` where it has none."""
        engine = self._operations.engine
        if not isinstance(engine, LodBodyEngine):
            raise TypeError(f"engine {self.info.name!r} has no levels of detail")
        return engine.at_lod(body, lod)
