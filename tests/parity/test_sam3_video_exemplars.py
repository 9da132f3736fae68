"""Several exemplars of a phrase on a frame of a video, on RANDOM weights."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_runs import FIRST, frame, same, whole
from tests.parity.test_sam3_frame_batch import agree, make_batched_engine
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.grounding import ExemplarBox
from workers.engines.protocols import FrameExemplar, TrackPrompts

FRAMES, SHOWN = 9, 4
BOXES = ((5.0, 20.0, 40.0, 60.0), (100.0, 40.0, 130.0, 80.0))
EXEMPLARS = tuple(
    FrameExemplar(FIRST + SHOWN, 0, box, label) for box, label in zip(BOXES, (1, 0), strict=True)
)
PLAIN = TrackPrompts(("cat", "dog"))
PROMPTS = TrackPrompts(("cat", "dog"), exemplars=EXEMPLARS)


def record(engine: Sam3Concepts) -> list[tuple[Any, Any]]:
    """The labels that each forward of the detector is given, and its scores."""
    seen: list[tuple[Any, Any]] = []
    detector = engine._loaded.model.detector_model

    def see(_module: Any, _args: Any, given: dict[str, Any], out: Any) -> None:
        scores = out.pred_logits.sigmoid() * out.presence_logits.sigmoid()
        seen.append((given.get("input_boxes_labels"), scores))

    detector.register_forward_hook(see, with_kwargs=True)
    return seen


@pytest.mark.parametrize("padded", [False, True])
def test_the_detector_sees_the_boxes_of_a_phrase_on_their_frame_alone(padded: bool) -> None:
    engine = make_batched_engine(1, pad_geometry=padded)
    handle = engine.embed(frame(SHOWN).image, "frame")
    shown = [ExemplarBox(handle, each.box, each.label) for each in EXEMPLARS]
    expected = engine._grounding.ground_exemplars(handle, "cat", shown)
    seen = record(engine)
    whole(engine, PROMPTS, SHOWN + 2)
    given = [None if labels is None else labels.tolist() for labels, _ in seen]
    plain = [[-10]] if padded else None
    assert given == [*[plain] * 2 * SHOWN, [[1, 0]], plain, plain, plain]
    assert torch.allclose(seen[2 * SHOWN][1][0].float(), expected.scores, atol=1e-5)


def test_what_boxes_find_is_tracked_in_batches_as_one_by_one() -> None:
    alone = whole(make_batched_engine(1), PROMPTS, FRAMES)
    plain = whole(make_batched_engine(1), PLAIN, FRAMES)
    assert same(alone[: SHOWN - 1], plain[: SHOWN - 1]) and not same(alone, plain)
    agree(whole(make_batched_engine(3), PROMPTS, FRAMES), alone)


def test_boxes_without_words_find_objects() -> None:
    engine = make_batched_engine(1)
    results = whole(engine, TrackPrompts(("visual",), exemplars=EXEMPLARS[:1]), FRAMES)
    found = [item for result in results[SHOWN:] for item in result.objects]
    assert found and {item.label for item in found} == {"visual"}
    assert all(np.any(item.mask) for item in found)
