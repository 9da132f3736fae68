"""A job sees the engine's own protocol, whether its calls are batched or not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from maquette.contract.vocabulary import UnknownPhrase

from tests.support.fake_gpu_engine import FakeGpuEngine
from tests.support.media_files import make_gradient
from workers.engines.concepts.sam3.warm_up import warm_up
from workers.engines.protocols import ConceptEngine, VisualPrompt
from workers.engines.registry import EngineSet, EngineUnavailable
from workers.pipeline import Batcher, SharedEngines

IMAGE = make_gradient()


class OneAtATime:
    """The same engine without batches."""

    def __init__(self, inner: FakeGpuEngine) -> None:
        self._inner, self.info = inner, inner.info

    def __getattr__(self, name: str) -> Any:
        if name in ("prepare", "embed_batch", "ground_batch", "finish"):
            raise AttributeError(name)
        return getattr(self._inner, name)


Open = Callable[[Any], ConceptEngine]


@pytest.fixture
def share() -> Iterator[Open]:
    """Gives an engine as a job sees it."""
    batcher = Batcher(batch=4, wait_seconds=0)
    yield (
        lambda engine: (
            SharedEngines(EngineSet("default", {"concepts": engine}), batcher).open(lambda: None).concepts()
        )
    )
    batcher.close()


@pytest.mark.parametrize("wrap", [lambda engine: engine, OneAtATime], ids=["batched", "one at a time"])
def test_answers_are_the_engine_s_own(share: Open, wrap: Callable[[FakeGpuEngine], Any]) -> None:
    plain, engine = FakeGpuEngine(), FakeGpuEngine()
    shared = share(wrap(engine))
    assert shared.info is engine.info
    expected, handle = plain.embed(IMAGE, "a"), shared.embed(IMAGE, "a")
    assert handle.size == expected.size
    pairs = [
        (shared.ground(handle, ["cat", "dog"]), plain.ground(expected, ["cat", "dog"])),
        (shared.segment(handle, [VisualPrompt()]), plain.segment(expected, [VisualPrompt()])),
    ]
    for found, wanted in pairs:
        assert [replace(item, mask=IMAGE) for item in found] == [replace(item, mask=IMAGE) for item in wanted]
        assert all(np.array_equal(a.mask, b.mask) for a, b in zip(found, wanted, strict=True))
    with pytest.raises(UnknownPhrase):
        shared.check(["unicorn"])


def test_what_runs_out_of_memory_beside_a_batch_is_finished_without_one(share: Open) -> None:
    class OutOfMemoryError(RuntimeError):
        """Named as torch's."""

    engine, failed = FakeGpuEngine(), []
    finish = engine.finish

    def fail_once(*given: Any) -> Any:
        if not failed:
            failed.append(1)
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return finish(*given)

    engine.finish = fail_once  # type: ignore[method-assign]
    shared = share(engine)
    assert len(shared.ground(shared.embed(IMAGE, "a"), ["cat"])) == 1 and failed


def test_a_worker_without_concepts_shares_nothing() -> None:
    batcher = Batcher(batch=1, wait_seconds=0)
    engines = SharedEngines(EngineSet("sam3d_body", {}, {"concepts": "not here"}), batcher).open(lambda: None)
    batcher.close()
    with pytest.raises(EngineUnavailable):
        engines.concepts()


def test_an_engine_that_batches_is_warmed_up_with_a_batch() -> None:
    engine = FakeGpuEngine()
    warm_up(engine)
    assert {("embed", 1), ("embed", 2), ("ground", 2), ("prompt", 1)} <= set(engine.batches)
    single: Any = OneAtATime(FakeGpuEngine())
    warm_up(single)
    assert ("embed", 2) not in single.batches
