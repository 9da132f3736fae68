"""Meta's own code, tiny, on RANDOM weights: its detector against ours, and our adapter of its videos."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
# before transformers, which imports torchvision
pytest.importorskip("tests.parity.meta_kernels")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_meta_batch import collate
from tests.parity.sam3_meta_tiny import (
    SIDE,
    meta_image_model,
    meta_predictor,
    meta_tracker,
    same_weights,
    without_cuda,
)
from tests.parity.sam3_tiny import draw_image, tiny_loaded
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.concepts.sam3.meta_backend.grounding import _walk_tensors
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.meta_backend.sessions import HostMasks, _find_session
from workers.engines.concepts.sam3.postprocess import compute_scores
from workers.engines.concepts.sam3.preprocess import to_pixels, to_point_tokens
from workers.engines.concepts.sam3.settings import MetaSettings, Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.grounding import ExemplarBox
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.concepts.visual_prompts import parse_prompt
from workers.engines.protocols import (
    FrameExemplar,
    FrameResult,
    TimedPrompt,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)

# Meta's code warns of CUDA and of what PyTorch retires
pytestmark = pytest.mark.filterwarnings("ignore")

Engines = tuple[Sam3Concepts, Sam3Concepts, MetaConcepts]
BOXES = [(5.0, 20.0, 40.0, 60.0), (100.0, 40.0, 130.0, 80.0)]
FIRST, FRAMES = 100, 6
IMAGE = draw_image()


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    """Ours with the padded box, ours without, and Meta's code, all with the same weights in the detector."""
    processor = pytest.importorskip("sam3.model.sam3_image_processor").Sam3Processor
    with without_cuda():
        model = same_weights(7)
        loaded = MetaModels(MetaSettings(threshold=0.0, nms_iou=None), "cpu", autocast=False)
        image = meta_image_model(model)
        loaded.__dict__.update(
            image=image,
            processor=processor(image, resolution=SIDE, device="cpu"),
            predictor=meta_predictor(model, score_threshold_detection=0.05, new_det_thresh=0.05),
        )
        collected = []
        for padded in (True, False):
            settings = Sam3Settings(
                source="random", threshold=0.0, nms_iou=None, fill_area=0, pad_geometry=padded
            )
            collected.append(Sam3Concepts(settings, loaded=tiny_loaded(same_weights(7), settings)))
        yield collected[0], collected[1], MetaConcepts(models=loaded)


@pytest.mark.parametrize("phrase", ["cat", "a yellow school bus"])
def test_phrases_agree_with_metas_code_once_the_geometry_is_padded(engines: Engines, phrase: str) -> None:
    padded, bare, meta = engines
    (theirs,) = meta._grounding.ground([(meta.embed(IMAGE, "image"), phrase)])
    (ours,) = padded._grounding.ground([(padded.embed(IMAGE, "image"), phrase)])
    assert torch.allclose(ours.scores, theirs.scores, atol=1e-5)
    assert torch.allclose(ours.masks, theirs.masks, atol=1e-3)
    assert theirs.masks.abs().max() > 1
    assert theirs.semantic.shape == theirs.masks.shape[1:]
    assert torch.allclose(ours.semantic, theirs.semantic, atol=1e-3)
    (unpadded,) = bare._grounding.ground([(bare.embed(IMAGE, "image"), phrase)])
    assert (unpadded.masks - theirs.masks).abs().max() > 1e-2


def test_pairs_of_image_and_phrase_agree_with_metas_own_batch(engines: Engines) -> None:
    """Meta's example of batched inference: its collator, and one forward of its model."""
    padded, _, meta = engines
    images = [draw_image(step, size) for step, size in ((0, (90, 140)), (5, (64, 64)))]
    pairs = [(0, "cat"), (0, "a yellow school bus"), (1, "cat")]
    batch = collate(images, pairs, meta._models.processor)
    with torch.inference_mode():
        out = meta._models.image(batch)[-1]
    items = [meta.prepare(image, f"batch-{number}") for number, image in enumerate(images)]
    handles = meta.embed_batch(items)
    mine = meta._grounding.ground([(handles[image], phrase) for image, phrase in pairs])
    others = padded.embed_batch([padded.prepare(image, f"batch-{n}") for n, image in enumerate(images)])
    ours = padded._grounding.ground([(others[image], phrase) for image, phrase in pairs])
    expected = compute_scores(out["pred_logits"][..., 0], out["presence_logit_dec"])
    for row in range(len(pairs)):
        for found in (mine[row], ours[row]):
            assert torch.allclose(found.scores, expected[row], atol=1e-5)
            assert torch.allclose(found.masks, out["pred_masks"][row], atol=1e-3)
    assert (out["pred_masks"][0] - out["pred_masks"][1]).abs().max() > 0.1


@pytest.mark.parametrize("phrase", ["cat", None])
def test_exemplars_agree_with_metas_code(engines: Engines, phrase: str | None) -> None:
    _, bare, meta = engines
    theirs = meta._grounding.ground_exemplars(meta.embed(IMAGE, "image"), phrase, BOXES, [1, 0])
    handle = bare.embed(IMAGE, "image")
    shown = [ExemplarBox(handle, box, label) for box, label in zip(BOXES, [1, 0], strict=True)]
    ours = bare._grounding.ground_exemplars(handle, phrase, shown)
    assert torch.allclose(ours.scores, theirs.scores, atol=1e-5)
    assert torch.allclose(ours.masks, theirs.masks, atol=1e-3)


def test_clicks_agree_with_metas_click_predictor(engines: Engines) -> None:
    _, bare, meta = engines
    drawn = np.zeros(IMAGE.shape[:2], np.bool_)
    drawn[30:60, 90:130] = True
    clicks = [
        VisualPrompt(box=BOXES[0]),
        VisualPrompt(points=np.array([[20.0, 40.0]])),
        VisualPrompt(mask=drawn),
    ]
    theirs = meta.segment(meta.embed(IMAGE, "image"), clicks)
    ours = bare.segment(bare.embed(IMAGE, "image"), clicks)
    for one, other in zip(ours, theirs, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert np.count_nonzero(one.mask != other.mask) <= 2 and other.mask.any()


def test_a_click_and_its_correction_in_a_video_agree_with_metas_tracker(engines: Engines) -> None:
    """Prompted frames agree; tracked ones nearly: transformers resizes masks before it squashes them."""
    _, bare, meta = engines
    last, turn, size, name = 20, 12, IMAGE.shape[:2], 1
    correction = VisualPrompt(points=np.array([[30.0, 45.0], [60.0, 10.0]]), labels=np.array([1, 0]))
    clicks = (TimedPrompt(0, name, VisualPrompt(box=BOXES[0])), TimedPrompt(turn, name, correction))
    theirs = meta_tracker(bare._loaded.model)
    theirs.backbone = meta._models.image.backbone
    expected: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        state = theirs.init_state(*size, last, offload_state_to_cpu=True)
        state["images"] = torch.cat(
            [to_pixels(draw_image(n), SIDE, device="cpu", dtype=torch.float32) for n in range(last)]
        )
        for timed in clicks:
            parsed = parse_prompt(timed.prompt, (size[0], size[1]))
            box, points, labels = parsed.box, parsed.points, parsed.labels
            coordinates, marks = to_point_tokens(box, points, labels, (size[0], size[1]), SIDE)
            theirs.add_new_points_or_box(
                state, timed.frame, name, points=coordinates[0, 0] / SIDE, labels=marks[0, 0].int()
            )
            theirs.propagate_in_video_preflight(state)
            for number, _, low, _, _ in theirs.propagate_in_video(state, timed.frame, last, False):
                expected[number] = low.reshape(1, *low.shape[-2:])
    # a phrase that finds nothing lets results wait, and with them their logits
    tracker = bare.tracker(TrackPrompts(("nothing",), (1.0,), 1, clicks))
    assert isinstance(tracker, Sam3Tracker)
    for number in range(last):
        tracker.step(VideoFrame(number, number, draw_image(number)))
        shown = tracker._deferred[-1].of_prompts
        assert shown is not None
        away = (shown.masks - expected[number]).abs().max() / expected[number].abs().max()
        assert away < (1e-4 if number in (0, turn) else 0.02)


def follow(meta: MetaConcepts, prompts: TrackPrompts, *shown: FrameExemplar) -> list[FrameResult]:
    tracker = meta.tracker(replace(prompts, exemplars=shown))
    for number in range(FRAMES):
        tracker.step(VideoFrame(FIRST + number, number, draw_image(number)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return list(tracker.finish())


def test_a_video_goes_through_metas_session(engines: Engines) -> None:
    meta = engines[2]
    results = follow(meta, TrackPrompts(("cat", "dog")))
    assert [each.index for each in results] == list(range(FIRST, FIRST + FRAMES))
    assert {item.label for each in results for item in each.objects} == {"cat", "dog"}
    last = max(item.id for each in results for item in each.objects if item.prompt == 0)
    assert all(item.id > last for each in results for item in each.objects if item.prompt == 1)
    chosen = results[3].objects[0]
    click = VisualPrompt(points=np.array([[70.0, 80.0]]), labels=np.array([1]))
    corrected = follow(
        meta, TrackPrompts(("cat", "dog"), visual_prompts=(TimedPrompt(FIRST + 3, chosen.id, click),))
    )
    assert [item.id for item in corrected[2].objects] == [item.id for item in results[2].objects]
    again = [item for item in corrected[3].objects if item.id == chosen.id]
    assert again and not np.array_equal(again[0].mask, chosen.mask)


def test_clicks_and_shown_boxes_go_through_metas_session(engines: Engines) -> None:
    meta = engines[2]
    clicks = (
        TimedPrompt(FIRST + 2, 1, VisualPrompt(box=BOXES[0])),
        TimedPrompt(FIRST + 4, 2, VisualPrompt(points=np.array([[110.0, 60.0]]))),
    )
    results = follow(meta, TrackPrompts(objects=2, visual_prompts=clicks))
    for name, started in ((1, FIRST + 2), (2, FIRST + 4)):
        seen = [each.index for each in results for item in each.objects if item.id == name]
        assert seen and min(seen) == started
    shown = follow(meta, TrackPrompts(("visual",)), FrameExemplar(FIRST + 3, 0, BOXES[0]))
    assert any(each.objects for each in shown[3:])


def test_results_come_while_metas_session_goes_through_the_clip(engines: Engines) -> None:
    """The masks that Meta's own requests give for one phrase, each once its `hotstart_delay` has passed."""
    meta = engines[2]
    predictor, delay = meta._models.predictor, meta._models.predictor.model.hotstart_delay
    assert 1 < delay < FRAMES
    tracker = meta.tracker(TrackPrompts(("cat",)))
    for number in range(FRAMES):
        tracker.step(VideoFrame(FIRST + number, number, draw_image(number)))
    run_frame = predictor.model._run_single_frame_inference
    processed: list[int] = []

    def watch(state: Any, place: int, reverse: bool) -> Any:
        processed.append(place)
        return run_frame(state, place, reverse)

    come, results = [], []
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor.model, "_run_single_frame_inference", watch)
        for result in tracker.finish():
            results.append(result)
            come.append(processed[-1])
    assert come == [min(place + delay - 1, FRAMES - 1) for place in range(FRAMES)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = [Image.fromarray(draw_image(number)) for number in range(FRAMES)]
        opened = predictor.handle_request({"type": "start_session", "resource_path": images})
        asked = {"session_id": opened["session_id"], "start_frame_index": 0}
        predictor.handle_request({"type": "add_prompt", "frame_index": 0, "text": "cat", **asked})
        stream = {"type": "propagate_in_video", "propagation_direction": "forward", **asked}
        answers = [answer["outputs"] for answer in predictor.handle_stream_request(stream)]
        predictor.handle_request({"type": "close_session", **asked})
    assert any(each.objects for each in results)
    for result, out in zip(results, answers, strict=True):
        rows = zip(out["out_obj_ids"], out["out_binary_masks"], out["out_probs"], strict=True)
        expected = [(number + 1, mask, score) for number, mask, score in rows if mask.any()]
        for item, (number, mask, score) in zip(result.objects, expected, strict=True):
            assert (item.id, item.score) == (number, score) and np.array_equal(item.mask, mask)


def test_masks_that_metas_session_caches_leave_the_card_and_come_back_the_same(engines: Engines) -> None:
    """Upstream caches a byte of the card per pixel, object and frame, which a correction reads."""
    meta = engines[2]
    predictor = meta._models.predictor
    cache, close = predictor.model._cache_frame_outputs, predictor.handle_request
    stored: dict[int, dict[int, torch.Tensor]] = {}
    kept: dict[int, Any] = {}

    def watch(state: Any, place: int, *given: Any, **named: Any) -> None:
        cache(state, place, *given, **named)
        stored[place] = dict(state["cached_frame_outputs"][place])

    def look(request: Any) -> Any:
        if request["type"] == "close_session":
            kept.update(_find_session(predictor, request["session_id"])["state"]["cached_frame_outputs"])
        return close(request)

    click = VisualPrompt(points=np.array([[70.0, 80.0]]), labels=np.array([1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor.model, "_cache_frame_outputs", watch)
        patch.setattr(predictor, "handle_request", look, raising=False)
        follow(meta, TrackPrompts(("cat",), visual_prompts=(TimedPrompt(FIRST + 3, 1, click),)))
    assert sorted(kept) == list(range(FRAMES)) and any(stored.values())
    for place, masks in kept.items():
        assert isinstance(masks, HostMasks) and masks.keys() == stored[place].keys()
        assert masks.nbytes == len(masks) * -(-IMAGE.shape[0] * IMAGE.shape[1] // 8)
        for number, mask in masks.copy().items():
            assert mask.dtype == torch.bool and torch.equal(mask, stored[place][number])


def test_nothing_of_a_clip_is_held_by_metas_own_predictor(engines: Engines) -> None:
    """Every tensor of a clip is gone with its session; SAM 3 of PyPI alone lets go of them by itself."""
    meta = engines[2]
    predictor, held = meta._models.predictor, list[weakref.ref[torch.Tensor]]()
    close = predictor.handle_request

    def watch(request: Any) -> Any:
        if request["type"] == "close_session":
            state = _find_session(predictor, request["session_id"])["state"]
            held.extend(weakref.ref(tensor) for tensor in _walk_tensors(dict(state)))
        return close(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor, "handle_request", watch, raising=False)
        follow(meta, TrackPrompts(("cat",)))
    gc.collect()
    weights = {id(tensor) for tensor in (*predictor.model.parameters(), *predictor.model.buffers())}
    left = [tensor for tensor in (ref() for ref in held) if tensor is not None and id(tensor) not in weights]
    assert len(held) > FRAMES and not left
