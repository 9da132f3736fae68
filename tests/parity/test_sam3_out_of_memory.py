"""A GPU that is too small for a batch is given less at a time, and the results stay; RANDOM weights."""

import weakref
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_runs import run
from tests.parity.sam3_tiny import IMAGE, STOCK, tiny_engine
from tests.parity.test_sam3_frame_batch import agree
from workers.engines.concepts.sam3.passes import compute_in_passes
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.gpu_faults import is_out_of_memory
from workers.engines.protocols import TrackPrompts

PHRASES = ["cat", "dog", "bird", "red disc", "green disc"]


def limit(engine: Sam3Concepts, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let the detector and the backbone run out of memory beyond so many rows; what they were given."""
    detector, given = engine._loaded.model.detector_model, []
    encode, embed = detector.detr_encoder.forward, detector.vision_encoder.forward

    def check(rows: int) -> None:
        given.append(rows)
        if rows > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def see(pixel_values: Any, **options: Any) -> Any:
        check(len(pixel_values))
        return embed(pixel_values, **options)

    def detect(*, vision_features: Any, **options: Any) -> Any:
        check(len(vision_features[0]))
        return encode(vision_features=vision_features, **options)

    monkeypatch.setattr(detector.vision_encoder, "forward", see)
    monkeypatch.setattr(detector.detr_encoder, "forward", detect)
    return given


def test_phrases_are_decoded_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine(phrase_chunk=4)
    free = engine.ground(engine.embed(IMAGE, "a"), PHRASES)
    given = limit(engine, monkeypatch, 2)
    tight = engine.ground(engine.embed(IMAGE, "a"), PHRASES)
    assert given == [4, 2, 2, 1]
    assert [(item.prompt, pytest.approx(item.score, abs=1e-5)) for item in free] == [
        (item.prompt, item.score) for item in tight
    ]


def test_memory_is_released_once_nothing_holds_the_failed_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[int]] = []
    held: list[weakref.ref[Any]] = []
    released: list[bool] = []

    def compute(chunk: Sequence[int]) -> list[int]:
        given.append(list(chunk))
        kept = torch.zeros(1)
        held.append(weakref.ref(kept))
        if len(chunk) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [10 * item for item in chunk]

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: released.append(held[-1]() is None))
    assert compute_in_passes([1, 2, 3, 4, 5], 4, compute) == [10, 20, 30, 40, 50]
    assert given == [[1, 2, 3, 4], [1, 2], [3, 4], [5]] and released == [True]


def test_one_phrase_that_does_not_fit_is_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    handle = engine.embed(IMAGE, "a")
    limit(engine, monkeypatch, 0)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        engine.ground(handle, PHRASES)
    assert is_out_of_memory(caught.value)


def test_frames_of_a_batch_are_embedded_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = TrackPrompts(("cat", "dog"))
    alone = tiny_engine(batch=1, **{**STOCK, "threshold": 0.5})
    expected = alone.tracker(prompts)
    frames = [*run(expected, 0, 8), *expected.finish()]
    engine = tiny_engine(batch=8, **{**STOCK, "threshold": 0.5})
    given = limit(engine, monkeypatch, 3)
    tracker = engine.tracker(prompts)
    agree(frames, [*run(tracker, 0, 8), *tracker.finish()], pixels=2)
    assert given[:3] == [8, 4, 2] and max(given[3:]) <= 3
