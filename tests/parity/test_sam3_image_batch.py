"""Images of several jobs in one forward, on RANDOM weights, against each image alone."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import numpy as np
import torch

from tests.parity.sam3_tiny import BOX, draw_image, tiny_engine
from tests.parity.test_sam3_frame_batch import ROUNDING, spy_on
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.protocols import BatchedConceptEngine, GroundingQuery, SegmentedInstance, VisualPrompt
from workers.engines.registry import EngineSet
from workers.pipeline import Batcher, SharedEngines

SIZES = ((90, 140), (64, 64), (120, 50))
IMAGES = [draw_image(4 * step, size) for step, size in enumerate(SIZES)]
QUERIES = (("cat", "red disc"), ("cat",), ("green disc", "dog", "bird"))


def agree(mine: list[SegmentedInstance], theirs: list[SegmentedInstance]) -> None:
    """The same instances, scores but for rounding, and masks but for a pixel in a thousand."""
    assert [(item.prompt, item.label, item.mask.shape) for item in mine] == [
        (item.prompt, item.label, item.mask.shape) for item in theirs
    ]
    for one, other in zip(mine, theirs, strict=True):
        assert one.score == pytest.approx(other.score, abs=ROUNDING)
        assert np.count_nonzero(one.mask != other.mask) <= 0.001 * one.mask.size


def test_images_together_give_what_each_gives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = tiny_engine(phrase_chunk=8), tiny_engine(phrase_chunk=8)
    assert isinstance(together, BatchedConceptEngine)
    expected = [alone.ground(alone.embed(image, str(n)), QUERIES[n]) for n, image in enumerate(IMAGES)]
    counts = spy_on(together, monkeypatch)
    handles = together.embed_batch([together.prepare(image, str(n)) for n, image in enumerate(IMAGES)])
    queries = [GroundingQuery(*pair) for pair in zip(handles, QUERIES, strict=True)]
    raws = together.ground_batch(queries)
    assert counts == {"backbone": [3], "detector": [6]}
    for query, raw, mine in zip(queries, raws, expected, strict=True):
        assert len(mine) >= len(query.phrases)
        agree(together.finish(query, raw), mine)


def test_cached_and_equal_images_are_not_embedded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    first = engine.embed(IMAGES[0], "a")
    counts = spy_on(engine, monkeypatch)
    items = [engine.prepare(image, key) for image, key in zip(IMAGES * 2, "abbabc", strict=True)]
    handles = engine.embed_batch(items)
    assert handles[0] is first and handles[3] is first and handles[1] is handles[2] is handles[4]
    assert counts["backbone"] == [2]


def test_a_cached_image_keeps_no_other_alive() -> None:
    engine = tiny_engine()
    handles = engine.embed_batch([engine.prepare(image, str(n)) for n, image in enumerate(IMAGES)])
    for handle in handles:
        for tensor in (handle.tokens, *handle.feature_maps):
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_jobs_in_threads_get_their_own_results() -> None:
    alone = tiny_engine()
    expected = [work(alone, n) for n in range(len(IMAGES))]
    batcher = Batcher(batch=8, wait_seconds=0.05)
    shared = SharedEngines(EngineSet("sam3", {"concepts": tiny_engine()}), batcher)
    engines = [shared.open(lambda: None).concepts() for _ in IMAGES]
    with ThreadPoolExecutor(len(IMAGES)) as threads, batcher.job(), batcher.job(), batcher.job():
        found = list(threads.map(work, engines, range(len(IMAGES))))
    batcher.close()
    for mine, theirs in zip(found, expected, strict=True):
        agree(mine, theirs)


def work(engine: Any, number: int) -> list[SegmentedInstance]:
    """What a job asks of an engine."""
    handle = engine.embed(IMAGES[number], str(number))
    prompts = [VisualPrompt(box=BOX)]
    return [*engine.ground(handle, QUERIES[number]), *engine.segment(handle, prompts)]


def test_a_batch_beyond_the_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Sam3Concepts = tiny_engine()
    encoder = engine._loaded.model.detector_model.vision_encoder
    forward, given = encoder.forward, []

    def see(pixel_values: Any, **options: Any) -> Any:
        given.append(len(pixel_values))
        if len(pixel_values) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(pixel_values, **options)

    monkeypatch.setattr(encoder, "forward", see)
    batcher = Batcher(batch=8, wait_seconds=5)
    shared = SharedEngines(EngineSet("sam3", {"concepts": engine}), batcher)
    with ThreadPoolExecutor(2) as threads, batcher.job(), batcher.job():
        calls = [
            threads.submit(shared.open(lambda: None).concepts().embed, image, str(n))
            for n, image in enumerate(IMAGES[:2])
        ]
        sizes = [call.result(20).size for call in calls]
    batcher.close()
    assert sizes == list(SIZES[:2]) and given == [2, 1, 1]
