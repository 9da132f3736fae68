"""A concept engine with the costs of a GPU: each launch takes a fixed time, and each item some more."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from maquette.contract.vocabulary import UnknownPhrase

from workers.engines.protocols import (
    EngineInfo,
    GroundingQuery,
    MaskCleanup,
    Rgb,
    SegmentedInstance,
    VisualPrompt,
)
from workers.geometry.boxes import bounding_box


@dataclass(frozen=True, slots=True)
class Embedded:
    """An image and its key; what is "found" in it depends on its pixels alone."""

    image: Rgb
    key: str

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


@dataclass(kw_only=True)
class FakeGpuEngine:
    """Finds the bright pixels of an image for every phrase; only one launch runs at a time.

    `on_batch` is called with the operation and its items before each launch, and may raise.
    """

    launch_seconds: float = 0.0
    item_seconds: float = 0.0
    batches: list[tuple[str, int]] = field(default_factory=list)
    on_batch: Callable[[str, list[Embedded]], None] = lambda _operation, _items: None
    busy_seconds: float = 0.0

    info = EngineInfo("fake-gpu", "concepts", "1", "cpu", "Apache-2.0", ("phrases", "boxes"), ())

    def __post_init__(self) -> None:
        self._card = threading.Lock()

    def check(self, phrases: Sequence[str]) -> None:
        for phrase in phrases:
            if phrase == "unicorn":
                raise UnknownPhrase(phrase, ())

    def prepare(self, image: Rgb, key: str) -> Embedded:
        return Embedded(image, key)

    def embed_batch(self, items: Sequence[Embedded]) -> list[Embedded]:
        self._launch("embed", list(items))
        return list(items)

    def ground_batch(self, queries: Sequence[GroundingQuery]) -> list[Any]:
        images: list[Any] = [query.handle for query in queries]
        self._launch("ground", images)
        return [image.image.mean(axis=2) for image in images]

    def finish(self, query: GroundingQuery, raw: Any) -> list[SegmentedInstance]:
        mask = raw >= raw.mean()
        return [
            SegmentedInstance(mask, bounding_box(mask), 0.9, index, phrase)
            for index, phrase in enumerate(query.phrases)
        ]

    def embed(self, image: Rgb, key: str) -> Embedded:
        return self.embed_batch([self.prepare(image, key)])[0]

    def ground(
        self,
        handle: Embedded,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        query = GroundingQuery(handle, tuple(phrases), tuple(thresholds), cleanup)
        return self.finish(query, self.ground_batch([query])[0])

    def segment(self, handle: Embedded, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        self._launch("prompt", [handle])
        mask = np.ones(handle.size, bool)
        return [SegmentedInstance(mask, bounding_box(mask), 1.0, index) for index in range(len(prompts))]

    def ground_exemplars(self, *_: Any, **__: Any) -> list[SegmentedInstance]:
        raise AssertionError("no job of these tests shows exemplars")

    def tracker(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("no job of these tests tracks")

    def _launch(self, operation: str, items: list[Embedded]) -> None:
        with self._card:
            start = time.monotonic()
            self.batches.append((operation, len(items)))
            self.on_batch(operation, items)
            time.sleep(self.launch_seconds + self.item_seconds * len(items))
            self.busy_seconds += time.monotonic() - start
