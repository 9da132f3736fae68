"""What an engine may offer beside its protocol, so that images of several jobs are computed together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from workers.engines.protocols.bodies import BodyControls, BodyEstimate
from workers.engines.protocols.concepts import ImageHandle, MaskCleanup, SegmentedInstance
from workers.engines.protocols.shared import Box, Mask, Rgb
from workers.geometry.cameras import Camera


@dataclass(frozen=True, slots=True)
class GroundingQuery:
    """The arguments of one call of `ConceptEngine.ground`."""

    handle: ImageHandle
    phrases: tuple[str, ...]
    thresholds: tuple[float | None, ...] = ()
    cleanup: MaskCleanup | None = None


@runtime_checkable
class BatchedConceptEngine(Protocol):
    """A concept engine that computes several images, or phrases on several images, in one pass.

    `embed(image, key)` equals `embed_batch([prepare(image, key)])[0]`, and `ground` with the arguments of a
    query equals `finish(query, ground_batch([query])[0])`, but for rounding. `prepare` and `finish` are
    called in the threads of jobs, several at a time, the others in one thread.
    """

    def prepare(self, image: Rgb, key: str) -> Any:
        """What embedding an image (H, W, 3) needs, made on the CPU; raises ValueError for another shape."""
        ...

    def embed_batch(self, items: Sequence[Any]) -> list[ImageHandle]:
        """The handles of prepared images, in order; those of known keys come from the cache."""
        ...

    def ground_batch(self, queries: Sequence[GroundingQuery]) -> list[Any]:
        """The raw outputs for each query, in order."""
        ...

    def finish(self, query: GroundingQuery, raw: Any) -> list[SegmentedInstance]:
        """The instances of a query from its raw outputs."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BodyQuery:
    """The arguments of one call of `PromptableBodyEngine.recover_prompted`."""

    image: Rgb
    boxes: tuple[Box, ...]
    controls: BodyControls
    masks: Sequence[Mask] | None = None
    camera: Camera | None = None


@runtime_checkable
class BatchedBodyEngine(Protocol):
    """A body engine that computes people of several images in one pass.

    `recover_prompted` with the arguments of a query equals `finish_people(call, recover_batch([call])[0])`
    for `call = prepare_people(query)`, but for rounding. `recover_batch` is called in one thread, the others
    in the threads of jobs.
    """

    def prepare_people(self, query: BodyQuery) -> Any:
        """What the people of an image need, made on the CPU; raises ValueError and RequestRefused."""
        ...

    def recover_batch(self, calls: Sequence[Any]) -> list[Any]:
        """The raw outputs for each prepared image, in order."""
        ...

    def finish_people(self, call: Any, raw: Any) -> list[BodyEstimate | None]:
        """One body per box, in order, from the raw outputs; None where there is no trustworthy body."""
        ...
