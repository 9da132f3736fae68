"""Phrases and exemplars on RANDOM weights: wiring, caches, and agreement with plain calls."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tests.parity.sam3_tiny import BOX, IMAGE, SIZE, draw_image, tiny_engine, tiny_model
from workers.engines.concepts.sam3.errors import PhraseRejected
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.grounding import ExemplarBox
from workers.engines.protocols import ConceptEngine, VisualPrompt
from workers.formats import rle
from workers.geometry.boxes import bounding_box


@pytest.fixture(scope="module")
def engine() -> Sam3Concepts:
    return tiny_engine()


class Calls:
    """How often a module has run."""

    def __init__(self, module: Any) -> None:
        self.count = 0
        self._handle = module.register_forward_hook(self._called)

    def _called(self, *_: Any) -> None:
        self.count += 1

    def __enter__(self) -> "Calls":
        return self

    def __exit__(self, *_: Any) -> None:
        self._handle.remove()


def plain(engine: Sam3Concepts, phrase: str, **extra: Any) -> Any:
    """One phrase on the image by the model alone, from pixels, with no cache and no chunk."""
    loaded = engine._loaded
    ids, mask = loaded.tokenizer.encode(phrase)
    with torch.inference_mode():
        return loaded.model.detector_model(
            pixel_values=to_pixels(IMAGE, loaded.side, device="cpu", dtype=torch.float32),
            input_ids=torch.tensor([ids]),
            attention_mask=torch.tensor([mask]),
            **extra,
        )


def test_it_is_a_concept_engine_with_an_open_vocabulary(engine: Sam3Concepts) -> None:
    assert isinstance(engine, ConceptEngine)
    assert engine.info.vocabulary is None
    assert "SAM License" in engine.info.licence
    engine.check(["a purple gnome", "ventilateur", "钥匙", "x"])


def test_what_ground_gives_can_be_stored_and_comes_in_order(engine: Sam3Concepts) -> None:
    handle = engine.embed(IMAGE, "image")
    assert handle.size == SIZE
    phrases = ["cat", "a yellow school bus"]
    instances = engine.ground(handle, phrases)
    assert {item.prompt for item in instances} == {0, 1}
    assert [item.prompt for item in instances] == sorted(item.prompt for item in instances)
    for prompt, phrase in enumerate(phrases):
        mine = [item for item in instances if item.prompt == prompt]
        assert [item.score for item in mine] == sorted((item.score for item in mine), reverse=True)
        assert {item.label for item in mine} == {phrase}
    for item in instances:
        assert item.mask.shape == SIZE and item.mask.dtype == np.bool_
        assert item.box == bounding_box(item.mask)
        assert 0 <= item.score <= 1
        assert np.array_equal(rle.decode_mask(rle.encode_mask(item.mask)), item.mask)


def test_scores_are_presence_times_logits_of_the_model(engine: Sam3Concepts) -> None:
    raw = engine._grounding.ground([(engine.embed(IMAGE, "image"), "cat")])[0]
    out = plain(engine, "cat")
    scores = out.pred_logits.sigmoid() * out.presence_logits.sigmoid()
    assert torch.equal(raw.scores, scores[0])
    assert torch.equal(raw.masks, out.pred_masks[0])


def test_a_threshold_cuts_and_the_default_is_a_half() -> None:
    engine = tiny_engine(threshold=0.5)
    handle = engine.embed(IMAGE, "image")
    everything = engine.ground(handle, ["cat"], thresholds=[0.0])
    middle = sorted(item.score for item in everything)[len(everything) // 2]
    assert all(item.score > middle for item in engine.ground(handle, ["cat"], thresholds=[middle]))
    assert engine.ground(handle, ["cat"]) == []


def test_a_second_phrase_runs_neither_the_vision_encoder_nor_known_text() -> None:
    engine = tiny_engine()
    detector = engine._loaded.model.detector_model
    with Calls(detector.vision_encoder) as vision, Calls(detector.text_encoder) as text:
        first = engine.embed(IMAGE, "one")
        engine.ground(first, ["cat"])
        engine.ground(first, ["dog", "cat"])
        engine.ground(engine.embed(IMAGE, "one"), ["cat", "dog"])
        engine.segment(first, [VisualPrompt(box=BOX)])
        assert (vision.count, text.count) == (1, 2)
        engine.ground(engine.embed(draw_image(3), "two"), ["cat"])
        assert (vision.count, text.count) == (2, 2)


def test_the_image_cache_is_capped_by_bytes_and_leaves_constants_out() -> None:
    engine = tiny_engine()
    handle = engine.embed(IMAGE, "one")
    side = engine._loaded.side // 14
    cells = side**2 * (16 + 4 + 1)
    assert handle.nbytes == 4 * (128 * cells + 64 * side**2), (
        "three maps and the tokens, no position encoding"
    )
    small = tiny_engine(cache_bytes=handle.nbytes)
    kept = small.embed(IMAGE, "one")
    assert small.embed(IMAGE, "one") is kept
    small.embed(draw_image(1), "two")
    assert small.embed(IMAGE, "one") is not kept
    assert small.ground(kept, ["cat"]), "a handle outlives its place in the cache"


@pytest.mark.parametrize("chunk", [2, 3, 8])
def test_phrases_in_chunks_are_phrases_one_by_one(engine: Sam3Concepts, chunk: int) -> None:
    phrases = ["cat", "a small red car", "dog", "cat", "person riding a horse", "tree"]
    together = tiny_engine(phrase_chunk=chunk)
    handle = together.embed(IMAGE, "image")
    alone = engine.embed(IMAGE, "image")
    for phrase, raw in zip(
        phrases, together._grounding.ground([(handle, each) for each in phrases]), strict=True
    ):
        single = engine._grounding.ground([(alone, phrase)])[0]
        assert torch.allclose(raw.scores, single.scores, atol=1e-5)
        assert torch.allclose(raw.masks, single.masks, atol=1e-3, rtol=1e-4)


def test_padded_geometry_is_an_explicit_padded_box_and_differs_from_none(engine: Sam3Concepts) -> None:
    # on unless it is turned off: published figures come from code that always has the token
    padded = tiny_engine(pad_geometry=Sam3Settings().pad_geometry)
    explicit = plain(
        engine,
        "cat",
        input_boxes=torch.full((1, 1, 4), -10.0),
        input_boxes_labels=torch.full((1, 1), -10),
    )
    scores = (explicit.pred_logits.sigmoid() * explicit.presence_logits.sigmoid())[0]
    raw = padded._grounding.ground([(padded.embed(IMAGE, "image"), "cat")])[0]
    bare = engine._grounding.ground([(engine.embed(IMAGE, "image"), "cat")])[0]
    assert torch.equal(raw.scores, scores)
    assert torch.equal(raw.masks, explicit.pred_masks[0])
    assert (raw.scores - bare.scores).abs().max() > 1e-4
    handle = padded.embed(IMAGE, "image")
    both = padded._grounding.ground([(handle, "cat"), (handle, "dog")])
    assert torch.allclose(both[0].scores, raw.scores, atol=1e-5), "the hook pads every phrase of a chunk"


def test_exemplars_are_the_models_own_boxes(engine: Sam3Concepts) -> None:
    handle = engine.embed(IMAGE, "image")
    boxes, labels = [BOX, (100.0, 40.0, 130.0, 80.0)], [1, 0]
    height, width = SIZE
    centres = [
        [(b[0] + b[2]) / 2 / width, (b[1] + b[3]) / 2 / height, (b[2] - b[0]) / width, (b[3] - b[1]) / height]
        for b in boxes
    ]
    extra = {"input_boxes": torch.tensor([centres]), "input_boxes_labels": torch.tensor([labels])}
    for phrase in ("cat", None):
        out = plain(engine, phrase or "visual", **extra)
        instances = engine.ground_exemplars(handle, boxes, labels, phrase=phrase)
        scores = (out.pred_logits.sigmoid() * out.presence_logits.sigmoid())[0]
        assert instances and {item.label for item in instances} == {phrase}
        assert {item.score for item in instances} <= set(scores.tolist())
    positive, negative = (
        engine._grounding.ground_exemplars(
            handle, None, [ExemplarBox(handle, box, label) for box, label in zip(boxes, given, strict=True)]
        ).scores
        for given in ([1, 1], [1, 0])
    )
    assert not torch.equal(positive, negative)
    for wrong in (([], []), ([BOX], []), ([BOX], [2])):
        with pytest.raises(ValueError, match="exemplars"):
            engine.ground_exemplars(handle, *wrong)


def test_exemplars_of_another_image_are_read_from_its_features(engine: Sam3Concepts) -> None:
    handle, twin = engine.embed(IMAGE, "image"), engine.embed(IMAGE, "twin")
    other = engine.embed(draw_image(9, (120, 100)), "other")
    assert twin is not handle
    grounding = engine._grounding
    own = grounding.ground_exemplars(handle, None, [ExemplarBox(handle, BOX, 1), ExemplarBox(handle, BOX, 0)])
    same = grounding.ground_exemplars(handle, None, [ExemplarBox(twin, BOX, 1), ExemplarBox(twin, BOX, 0)])
    assert torch.equal(same.masks, own.masks) and torch.equal(same.scores, own.scores)
    # the two boxes no longer see each other, which is all that changes
    split = grounding.ground_exemplars(handle, None, [ExemplarBox(handle, BOX, 1), ExemplarBox(twin, BOX, 0)])
    assert not torch.equal(split.masks, own.masks)
    assert (split.masks - own.masks).abs().max() < 0.2 * own.masks.abs().max()
    strange = grounding.ground_exemplars(handle, None, [ExemplarBox(other, BOX, 1)])
    alone = grounding.ground_exemplars(handle, None, [ExemplarBox(handle, BOX, 1)])
    assert (strange.masks - alone.masks).abs().max() > 1e-3
    instances = engine.ground_exemplars(handle, [BOX, BOX], [1, 0], shown=[None, other])
    assert instances and all("exemplar_from_other_image" in item.flags for item in instances)
    plainly = engine.ground_exemplars(handle, [BOX], [1], shown=[None])
    assert not any("exemplar_from_other_image" in item.flags for item in plainly)
    assert torch.equal(
        grounding.ground_exemplars(handle, None, [ExemplarBox(handle, BOX, 1)]).masks, alone.masks
    )


def test_phrases_beyond_the_text_encoder_are_refused_not_cut(engine: Sam3Concepts) -> None:
    engine.check(["cat " * 30])
    with pytest.raises(PhraseRejected) as long:
        engine.check(["dog", "cat " * 31])
    assert long.value.problem.code == "phrase_too_long" and long.value.problem.status == 422
    with pytest.raises(PhraseRejected) as empty:
        engine.ground(engine.embed(IMAGE, "image"), ["  "])
    assert empty.value.problem.code == "phrase_empty"


def test_a_foreign_handle_or_dtype_is_refused(engine: Sam3Concepts) -> None:
    class Other:
        size = (4, 4)

    with pytest.raises(TypeError, match="handle"):
        engine.ground(Other(), ["cat"])
    with pytest.raises(ValueError, match="uint8"):
        engine.embed(IMAGE.astype(np.float32), "float")  # type: ignore[arg-type]


def test_bfloat16_runs_through_every_path() -> None:
    from tests.parity.sam3_tiny import tiny_loaded

    settings = Sam3Settings(source="random", threshold=0.0, pad_geometry=True)
    engine = Sam3Concepts(settings, loaded=tiny_loaded(tiny_model().bfloat16(), settings))
    handle = engine.embed(IMAGE, "image")
    assert engine.ground(handle, ["cat", "dog"])
    assert engine.ground_exemplars(handle, [BOX], [1])
    assert (
        len(engine.segment(handle, [VisualPrompt(box=BOX), VisualPrompt(mask=np.ones(SIZE, np.bool_))])) == 2
    )


def test_text_embeddings_are_passed_as_the_model_makes_them(engine: Sam3Concepts) -> None:
    phrase = engine._grounding.encode_phrase("cat")
    loaded = engine._loaded
    handle = engine.embed(IMAGE, "image")
    with torch.inference_mode():
        out = loaded.model.detector_model(
            vision_embeds=engine._grounding.vision_output([handle]),
            text_embeds=BaseModelOutputWithPooling(pooler_output=phrase.features),
            attention_mask=phrase.attention,
        )
    assert torch.equal(out.pred_masks, plain(engine, "cat").pred_masks)
