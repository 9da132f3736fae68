"""Phrases, exemplars and clicks on RANDOM weights: wiring, caches, and agreement with plain calls."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from tests.parity.sam3_tiny import picture, tiny_engine, tiny_model
from workers.engines.concepts.sam3.errors import PhraseRejected
from workers.engines.concepts.sam3.preprocess import to_pixels, to_point_tokens
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.grounding import ExemplarBox
from workers.engines.concepts.sam3.transformers_backend.prompt_decoder import build_image_tracker
from workers.engines.concepts.sam3.transformers_backend.sessions import compute_features
from workers.engines.protocols import ConceptEngine, TrackPrompts, VideoFrame, VisualPrompt
from workers.formats import rle
from workers.geometry.boxes import bounding_box

IMAGE = picture()
SIZE = IMAGE.shape[:2]
BOX = (5.0, 20.0, 40.0, 60.0)
NO_POINTS = np.zeros((0, 2)), np.zeros(0, np.int64)


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
    """One phrase on the picture by the model alone, from pixels, with no cache and no chunk."""
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
    handle = engine.embed(IMAGE, "picture")
    assert handle.size == SIZE
    phrases = ["cat", "a yellow school bus"]
    found = engine.ground(handle, phrases)
    assert {item.prompt for item in found} == {0, 1}
    assert [item.prompt for item in found] == sorted(item.prompt for item in found)
    for prompt, phrase in enumerate(phrases):
        mine = [item for item in found if item.prompt == prompt]
        assert [item.score for item in mine] == sorted((item.score for item in mine), reverse=True)
        assert {item.label for item in mine} == {phrase}
    for item in found:
        assert item.mask.shape == SIZE and item.mask.dtype == np.bool_
        assert item.box == bounding_box(item.mask)
        assert 0 <= item.score <= 1
        assert np.array_equal(rle.decode_mask(rle.encode_mask(item.mask)), item.mask)


def test_scores_are_presence_times_logits_of_the_model(engine: Sam3Concepts) -> None:
    raw = engine._grounding.ground(engine.embed(IMAGE, "picture"), ["cat"])[0]
    out = plain(engine, "cat")
    scores = out.pred_logits.sigmoid() * out.presence_logits.sigmoid()
    assert torch.equal(raw.scores, scores[0])
    assert torch.equal(raw.masks, out.pred_masks[0])


def test_a_threshold_cuts_and_the_default_is_a_half() -> None:
    engine = tiny_engine(threshold=0.5)
    handle = engine.embed(IMAGE, "picture")
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
        engine.ground(engine.embed(picture(3), "two"), ["cat"])
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
    small.embed(picture(1), "two")
    assert small.embed(IMAGE, "one") is not kept
    assert small.ground(kept, ["cat"]), "a handle outlives its place in the cache"


@pytest.mark.parametrize("chunk", [2, 3, 8])
def test_phrases_in_chunks_are_phrases_one_by_one(engine: Sam3Concepts, chunk: int) -> None:
    phrases = ["cat", "a small red car", "dog", "cat", "person riding a horse", "tree"]
    together = tiny_engine(phrase_chunk=chunk)
    handle = together.embed(IMAGE, "picture")
    alone = engine.embed(IMAGE, "picture")
    for phrase, raw in zip(phrases, together._grounding.ground(handle, phrases), strict=True):
        single = engine._grounding.ground(alone, [phrase])[0]
        assert torch.allclose(raw.scores, single.scores, atol=1e-5)
        assert torch.allclose(raw.masks, single.masks, atol=1e-3, rtol=1e-4)


def test_padded_geometry_is_an_explicit_padded_box_and_differs_from_none(engine: Sam3Concepts) -> None:
    padded = tiny_engine(pad_geometry=True)
    explicit = plain(
        engine,
        "cat",
        input_boxes=torch.full((1, 1, 4), -10.0),
        input_boxes_labels=torch.full((1, 1), -10),
    )
    scores = (explicit.pred_logits.sigmoid() * explicit.presence_logits.sigmoid())[0]
    raw = padded._grounding.ground(padded.embed(IMAGE, "picture"), ["cat"])[0]
    bare = engine._grounding.ground(engine.embed(IMAGE, "picture"), ["cat"])[0]
    assert torch.equal(raw.scores, scores)
    assert torch.equal(raw.masks, explicit.pred_masks[0])
    assert (raw.scores - bare.scores).abs().max() > 1e-4
    both = padded._grounding.ground(padded.embed(IMAGE, "picture"), ["cat", "dog"])
    assert torch.allclose(both[0].scores, raw.scores, atol=1e-5), "the hook pads every phrase of a chunk"


def test_exemplars_are_the_models_own_boxes(engine: Sam3Concepts) -> None:
    handle = engine.embed(IMAGE, "picture")
    boxes, labels = [BOX, (100.0, 40.0, 130.0, 80.0)], [1, 0]
    height, width = SIZE
    centres = [
        [(b[0] + b[2]) / 2 / width, (b[1] + b[3]) / 2 / height, (b[2] - b[0]) / width, (b[3] - b[1]) / height]
        for b in boxes
    ]
    extra = {"input_boxes": torch.tensor([centres]), "input_boxes_labels": torch.tensor([labels])}
    for phrase in ("cat", None):
        out = plain(engine, phrase or "visual", **extra)
        found = engine.ground_exemplars(handle, boxes, labels, phrase=phrase)
        scores = (out.pred_logits.sigmoid() * out.presence_logits.sigmoid())[0]
        assert found and {item.label for item in found} == {phrase}
        assert {item.score for item in found} <= set(scores.tolist())
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
    handle, twin = engine.embed(IMAGE, "picture"), engine.embed(IMAGE, "twin")
    other = engine.embed(picture(9, (120, 100)), "other")
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
    found = engine.ground_exemplars(handle, [BOX, BOX], [1, 0], shown=[None, other])
    assert found and all("exemplar_from_other_image" in item.flags for item in found)
    plainly = engine.ground_exemplars(handle, [BOX], [1], shown=[None])
    assert not any("exemplar_from_other_image" in item.flags for item in plainly)
    assert torch.equal(
        grounding.ground_exemplars(handle, None, [ExemplarBox(handle, BOX, 1)]).masks, alone.masks
    )


def test_clicks_share_the_modules_and_are_bit_equal_to_their_own_model() -> None:
    model = tiny_model(1)
    shell = build_image_tracker(model)
    assert all(not value.is_meta for value in shell.parameters())
    mine = {value.data_ptr() for value in model.parameters()}
    assert {value.data_ptr() for value in shell.parameters()} <= mine, "no weight of its own"
    shell_class, config = type(shell), shell.config
    alone = shell_class(config).eval()
    alone.load_state_dict(shell.state_dict())
    points, labels = to_point_tokens(BOX, *NO_POINTS, SIZE, 112)
    pixels = to_pixels(IMAGE, 112, device="cpu", dtype=torch.float32)
    asked = {"pixel_values": pixels, "input_points": points, "input_labels": labels}
    with torch.inference_mode():
        one, other = shell(**asked), alone(**asked)
    assert torch.equal(one.pred_masks, other.pred_masks)
    assert torch.equal(one.iou_scores, other.iou_scores)


def test_clicks_read_the_features_of_the_click_trackers_first_frame() -> None:
    """transformers' image model adds its learned "no memory" to a map that it then drops; ours keeps it."""
    engine = tiny_engine(1)
    loaded, handle = engine._loaded, engine.embed(IMAGE, "picture")
    maps = engine._decoder.decoder_maps(handle, engine._grounding.vision_output(handle))
    pixels = to_pixels(IMAGE, loaded.side, device="cpu", dtype=torch.float32)
    seen = compute_features(loaded.model, pixels)
    with torch.inference_mode():
        first = loaded.model.tracker_model._prepare_memory_conditioned_features(
            inference_session=None,
            frame_idx=0,
            obj_idx=0,
            is_initial_conditioning_frame=True,
            current_vision_features=seen["vision_feats"][-1],
            current_vision_positional_embeddings=seen["vision_pos_embeds"][-1],
            num_total_frames=1,
        )
        stock = engine._decoder._model.get_image_embeddings(pixels)
    assert torch.equal(maps[-1], first)
    assert loaded.model.tracker_model.no_memory_embedding.abs().max() > 0
    for ours, theirs in zip(maps[:-1], stock[:-1], strict=True):
        assert torch.equal(ours, theirs)


def test_clicks_on_a_cached_image_are_the_first_frame_of_the_click_tracker() -> None:
    engine = tiny_engine(1)
    handle = engine.embed(IMAGE, "picture")
    clicks = [VisualPrompt(box=BOX), VisualPrompt(points=np.array([[20.0, 40.0]]))]
    (result,) = engine.tracker(TrackPrompts.from_visual_prompts(clicks)).step(VideoFrame(0, 0, IMAGE))
    shown = {item.prompt: item.mask for item in result.objects}
    assert shown, "at least one click must find something for this test to say anything"
    for item in engine.segment(handle, clicks):
        if item.prompt in shown:
            assert np.array_equal(shown[item.prompt], item.mask)


def test_a_box_is_its_corners_as_points(engine: Sam3Concepts) -> None:
    model, side = engine._decoder._model, engine._loaded.side
    handle = engine.embed(IMAGE, "picture")
    maps = engine._decoder.decoder_maps(handle, engine._grounding.vision_output(handle))
    points, labels = to_point_tokens(BOX, *NO_POINTS, SIZE, side)
    scale = torch.tensor([side / SIZE[1], side / SIZE[0]] * 2)
    with torch.inference_mode():
        corners = model(
            image_embeddings=maps, input_points=points, input_labels=labels, multimask_output=False
        )
        box = model(
            image_embeddings=maps, input_boxes=(torch.tensor(BOX) * scale)[None, None], multimask_output=False
        )
    assert torch.allclose(corners.pred_masks, box.pred_masks, atol=1e-4)


def test_every_click_gives_exactly_one_instance(engine: Sam3Concepts) -> None:
    mask = np.zeros(SIZE, np.bool_)
    mask[30:60, 90:130] = True
    clicks = [
        VisualPrompt(box=BOX),
        VisualPrompt(points=np.array([[20.0, 40.0]]), labels=np.array([1])),
        VisualPrompt(points=np.array([[20.0, 40.0], [100.0, 80.0]]), labels=np.array([1, 0])),
        VisualPrompt(box=BOX, points=np.array([[20.0, 40.0]])),
        VisualPrompt(mask=mask),
        VisualPrompt(box=BOX, mask=mask, points=np.array([[20.0, 40.0]]), labels=np.array([0])),
    ]
    found = engine.segment(engine.embed(IMAGE, "picture"), clicks)
    assert [item.prompt for item in found] == list(range(len(clicks)))
    for item in found:
        assert item.mask.any() and item.mask.shape == SIZE and item.label is None
        assert item.box == bounding_box(item.mask) and 0 <= item.score <= 1
    assert not np.array_equal(found[4].mask, found[0].mask)


def test_a_lone_point_takes_the_best_of_three_masks(engine: Sam3Concepts) -> None:
    handle = engine.embed(IMAGE, "picture")
    maps = engine._decoder.decoder_maps(handle, engine._grounding.vision_output(handle))
    points, labels = to_point_tokens(None, np.array([[20.0, 40.0]]), np.array([1]), SIZE, engine._loaded.side)
    with torch.inference_mode():
        out = engine._decoder._model(
            image_embeddings=maps, input_points=points, input_labels=labels, multimask_output=True
        )
    assert out.iou_scores.shape[-1] == 3
    (found,) = engine.segment(handle, [VisualPrompt(points=np.array([[20.0, 40.0]]))])
    assert found.score in (0.0, pytest.approx(float(out.iou_scores.max().clamp(0, 1))))


@pytest.mark.parametrize(
    "click",
    [
        VisualPrompt(),
        VisualPrompt(points=np.array([[500.0, 5.0]])),
        VisualPrompt(points=np.array([[5.0, 5.0]]), labels=np.array([0])),
        VisualPrompt(points=np.array([[5.0, 5.0]]), labels=np.array([1, 0])),
        VisualPrompt(box=(200.0, 0.0, 300.0, 10.0)),
        VisualPrompt(mask=np.zeros(SIZE, np.bool_)),
        VisualPrompt(mask=np.ones((3, 3), np.bool_)),
    ],
)
def test_a_click_that_says_nothing_is_refused(engine: Sam3Concepts, click: VisualPrompt) -> None:
    with pytest.raises(ValueError, match=r"click|point|box|mask"):
        engine.segment(engine.embed(IMAGE, "picture"), [click])


def test_phrases_beyond_the_text_encoder_are_refused_not_cut(engine: Sam3Concepts) -> None:
    engine.check(["cat " * 30])
    with pytest.raises(PhraseRejected) as long:
        engine.check(["dog", "cat " * 31])
    assert long.value.problem.code == "phrase_too_long" and long.value.problem.status == 422
    with pytest.raises(PhraseRejected) as empty:
        engine.ground(engine.embed(IMAGE, "picture"), ["  "])
    assert empty.value.problem.code == "phrase_empty"


def test_a_foreign_handle_or_picture_is_refused(engine: Sam3Concepts) -> None:
    class Other:
        size = (4, 4)

    with pytest.raises(TypeError, match="handle"):
        engine.ground(Other(), ["cat"])
    with pytest.raises(ValueError, match="uint8"):
        engine.embed(IMAGE.astype(np.float32), "float")  # type: ignore[arg-type]


def test_bfloat16_runs_through_every_path() -> None:
    from tests.parity.sam3_tiny import tiny_loaded
    from workers.engines.concepts.sam3.settings import Sam3Settings

    settings = Sam3Settings(source="random", threshold=0.0, pad_geometry=True)
    engine = Sam3Concepts(settings, loaded=tiny_loaded(tiny_model().bfloat16(), settings))
    handle = engine.embed(IMAGE, "picture")
    assert engine.ground(handle, ["cat", "dog"])
    assert engine.ground_exemplars(handle, [BOX], [1])
    assert (
        len(engine.segment(handle, [VisualPrompt(box=BOX), VisualPrompt(mask=np.ones(SIZE, np.bool_))])) == 2
    )


def test_text_embeddings_are_passed_as_the_model_makes_them(engine: Sam3Concepts) -> None:
    phrase = engine._grounding.encode_phrase("cat")
    loaded = engine._loaded
    handle = engine.embed(IMAGE, "picture")
    with torch.inference_mode():
        out = loaded.model.detector_model(
            vision_embeds=engine._grounding.vision_output(handle),
            text_embeds=BaseModelOutputWithPooling(pooler_output=phrase.features),
            attention_mask=phrase.attention,
        )
    assert torch.equal(out.pred_masks, plain(engine, "cat").pred_masks)
