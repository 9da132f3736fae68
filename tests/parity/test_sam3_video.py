"""Video on RANDOM weights: bounded against transformers' own iterator, snapshots, memory, clicks."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession, Sam3VideoModel

from tests.parity.sam3_runs import CLICK, FRAMES, LIVELY, PHRASES, SEED, frame, run, same, whole
from tests.parity.sam3_tiny import draw_image, tiny_config, tiny_loaded, tiny_model
from tests.parity.stock import stock_functions
from workers.engines.concepts.sam3.errors import PhraseRejected
from workers.engines.concepts.sam3.preprocess import to_pixels
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend import pruning
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame, VisualPrompt


@pytest.fixture(scope="module")
def engine() -> Sam3Concepts:
    settings = Sam3Settings(source="random", max_objects=6, pad_geometry=False)
    return Sam3Concepts(settings, loaded=tiny_loaded(tiny_model(SEED, **LIVELY), settings))


def stock(engine: Sam3Concepts) -> tuple[list[dict[int, Any]], list[dict[int, Any]], set[int]]:
    """transformers' iterator over the whole video and its own processor: by frame id -> (mask, score), id ->
    logits; and the ids that were removed."""
    loaded, model = engine._loaded, engine._loaded.model
    video = torch.cat(
        [
            to_pixels(draw_image(n), loaded.side, device=loaded.device, dtype=loaded.dtype)
            for n in range(FRAMES)
        ]
    )
    session = Sam3VideoInferenceSession(video=video, video_height=90, video_width=140, dtype=torch.float32)
    for phrase in PHRASES:
        number = session.add_prompt(phrase)
        ids, mask = loaded.tokenizer.encode(phrase)
        session.prompt_input_ids[number] = torch.tensor([ids])
        session.prompt_attention_masks[number] = torch.tensor([mask])
    processor = stock_functions(
        "sam3_video/processing_sam3_video",
        "postprocess_outputs",
        "_apply_non_overlapping_constraints",
        "_apply_object_wise_non_overlapping_constraints",
        "_apply_object_wise_non_overlapping_constraints_impl",
        masks_to_boxes=lambda masks: torch.zeros(len(masks), 4),
    )
    frames, logits = [], []
    for out in model.propagate_in_video_iterator(session):
        outputs = processor.postprocess_outputs(session, out)
        frames.append(
            {
                int(number): (mask.numpy(), float(score))
                for number, mask, score in zip(
                    outputs["object_ids"], outputs["masks"], outputs["scores"], strict=True
                )
                if mask.any()
            }
        )
        logits.append({number: mask[0] for number, mask in out.obj_id_to_mask.items()})
    return frames, logits, set(session.hotstart_removed_obj_ids)


@pytest.fixture(scope="module")
def bounded(engine: Sam3Concepts) -> list[FrameResult]:
    return whole(engine, TrackPrompts(PHRASES))


def test_bounded_streaming_is_the_unbounded_iterator_bit_for_bit(
    engine: Sam3Concepts, bounded: list[FrameResult]
) -> None:
    expected, logits, removed = stock(engine)
    assert len(bounded) == len(expected) == FRAMES
    assert len(removed) > 3, "the test video must exercise the removal of duplicates"
    assert sum(len(actual) for actual in expected) > FRAMES
    for result, actual in zip(bounded, expected, strict=True):
        assert [item.id - 1 for item in result.objects] == sorted(actual)
        for item in result.objects:
            mask, score = actual[item.id - 1]
            assert np.array_equal(item.mask, mask)
            assert item.score == pytest.approx(score, abs=0)
    tracker = engine.tracker(TrackPrompts(PHRASES))
    assert isinstance(tracker, Sam3Tracker)
    for number, masks in enumerate(logits):
        tracker.step(frame(number))
        shown = tracker._deferred[-1].of_phrases
        assert shown is not None and shown.ids == sorted(masks)
        assert all(
            torch.equal(mask, masks[named]) for named, mask in zip(shown.ids, shown.masks, strict=True)
        )


def test_the_comparison_notices_a_memory_that_is_too_short(
    engine: Sam3Concepts, bounded: list[FrameResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = pruning.SessionPruner.__init__

    def short(self: Any, config: Any, history: int) -> None:
        original(self, config, history)
        self._features, self._pointers = 3, 3

    monkeypatch.setattr(pruning.SessionPruner, "__init__", short)
    assert not same(whole(engine, TrackPrompts(PHRASES)), bounded)


def test_results_come_in_order_and_late_by_the_hotstart(engine: Sam3Concepts) -> None:
    tracker = engine.tracker(TrackPrompts(PHRASES))
    delay = engine._loaded.model.hotstart_delay
    for number in range(20):
        actual = tracker.step(frame(number))
        assert [result.index for result in actual] == ([number - delay + 101] if number >= delay - 1 else [])
    assert [result.index for result in tracker.finish()] == list(range(100 + 20 - delay + 1, 120))
    assert list(tracker.finish()) == []


def test_objects_are_labelled_with_their_phrase_and_do_not_overlap(bounded: list[FrameResult]) -> None:
    for result in bounded:
        for prompt, phrase in enumerate(PHRASES):
            mine = [item for item in result.objects if item.prompt == prompt]
            assert all(item.label == phrase for item in mine)
            assert sum(item.mask.astype(int) for item in mine).max() <= 1 if mine else True


@pytest.mark.parametrize("cut", [1, 9, 17, 30])
def test_a_restored_tracker_goes_on_bit_for_bit(engine: Sam3Concepts, cut: int) -> None:
    prompts = TrackPrompts.from_visual_prompts([CLICK], PHRASES, frame=100)
    tracker = engine.tracker(prompts)
    first = run(tracker, 0, cut)
    kept = tracker.snapshot()
    rest = [*run(tracker, cut, FRAMES), *tracker.finish()]
    again = engine.tracker(prompts, state=kept)
    assert again.snapshot() == kept
    assert same([*run(again, cut, FRAMES), *again.finish()], rest)
    assert len(first) + len(rest) == FRAMES


def test_a_snapshot_of_other_prompts_or_other_bytes_is_refused(engine: Sam3Concepts) -> None:
    tracker = engine.tracker(TrackPrompts(PHRASES))
    with pytest.raises(ValueError, match="before the first frame"):
        tracker.snapshot()
    tracker.step(frame(0))
    kept = tracker.snapshot()
    with pytest.raises(ValueError, match="other prompts"):
        engine.tracker(TrackPrompts(("bird",)), state=kept)
    for broken in (b"", b"nonsense" * 9, kept[: len(kept) // 2]):
        with pytest.raises(ValueError, match="not a snapshot"):
            engine.tracker(TrackPrompts(PHRASES), state=broken)


def test_state_stays_under_its_ceiling_per_object_and_stops_growing() -> None:
    settings = Sam3Settings(source="random", max_objects=4, pointer_history=6, pad_geometry=False)
    # nothing is removed, so that the number of objects stands still; conditioning frames come fast
    still = {"hotstart_unmatch_thresh": 15, "hotstart_dup_thresh": 15, "recondition_every_nth_frame": 2}
    model = tiny_model(SEED, **{**LIVELY, **still, "high_iou_thresh": 0.0, "assoc_iou_thresh": 0.0})
    engine = Sam3Concepts(settings, loaded=tiny_loaded(model, settings))
    tracker = engine.tracker(TrackPrompts.from_visual_prompts([CLICK], PHRASES, frame=100))
    assert isinstance(tracker, Sam3Tracker)
    sizes, written = [], []
    for number in range(120):
        tracker.step(VideoFrame(number + 100, number, draw_image(number % 20)))
        sizes.append(tracker.state_bytes())
        written.append(len(tracker.snapshot()) if number in (79, 119) else 0)
    side = tracker._phrase_tracker
    assert side is not None
    objects = len(side.session.obj_ids) + 1
    conditioned = [len(out["cond_frame_outputs"]) for out in side.session.output_dict_per_obj.values()]
    assert max(conditioned) == settings.pointer_history, "the bound on conditioning frames must be reached"
    ceiling = pruning.max_object_bytes(model.config, settings.pointer_history, model.dtype)
    assert max(sizes) <= objects * ceiling + 2**16
    assert max(sizes[80:]) <= max(sizes[40:80])
    assert written[119] <= 1.02 * written[79], "the books around the tensors must not grow either"


def test_clicks_alone_answer_at_once_under_stable_ids(engine: Sam3Concepts) -> None:
    mask = np.zeros((90, 140), np.bool_)
    mask[30:60, 90:130] = True
    clicks = (
        VisualPrompt(box=(5.0, 20.0, 40.0, 60.0)),
        VisualPrompt(points=np.array([[20.0, 40.0], [100.0, 80.0]]), labels=np.array([1, 0])),
        VisualPrompt(mask=mask),
    )
    tracker = engine.tracker(TrackPrompts.from_visual_prompts(clicks, frame=100))
    results = []
    for number in range(18):
        (result,) = tracker.step(frame(number))
        results.append(result)
    assert list(tracker.finish()) == []
    assert {item.id for result in results for item in result.objects} <= {1, 2, 3}
    tracked = next(item for item in results[0].objects if item.id == 3)
    inner = np.count_nonzero(tracked.mask & mask) / np.count_nonzero(tracked.mask | mask)
    assert inner > 0.9, "a mask prompt is taken as the object's first mask"


def test_clicks_agree_with_the_stock_click_tracker(engine: Sam3Concepts) -> None:
    from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
        Sam3TrackerVideoInferenceSession,
    )

    from workers.engines.concepts.sam3.preprocess import to_point_tokens
    from workers.engines.concepts.sam3.transformers_backend.sessions import compute_features

    loaded, box = engine._loaded, (5.0, 20.0, 40.0, 60.0)
    session = Sam3TrackerVideoInferenceSession(
        video=torch.zeros(FRAMES, 3, loaded.side, loaded.side),
        video_height=90,
        video_width=140,
        dtype=torch.float32,
    )
    points, labels = to_point_tokens(box, np.zeros((0, 2)), np.zeros(0, np.int64), (90, 140), loaded.side)
    index = session.obj_id_to_idx(0)
    session.add_point_inputs(index, 0, {"point_coords": points, "point_labels": labels.int()})
    session.obj_with_new_inputs = [0]
    tracker = engine.tracker(TrackPrompts.from_visual_prompts([VisualPrompt(box=box)], frame=100))
    assert isinstance(tracker, Sam3Tracker)
    seen = 0
    for number in range(30):
        pixels = to_pixels(draw_image(number), loaded.side, device=loaded.device, dtype=loaded.dtype)
        session.cache.cache_vision_features(number, compute_features(loaded.model, pixels))
        out = loaded.model.tracker_model(inference_session=session, frame_idx=number)
        (result,) = tracker.step(frame(number))
        logits = sessions_logits(engine, out.pred_masks[:, 0])
        actual = logits.any()
        seen += bool(actual)
        assert len(result.objects) == int(actual)
        if actual:
            assert np.array_equal(result.objects[0].mask, logits)
    assert seen > 5


def sessions_logits(engine: Sam3Concepts, masks: Any) -> Any:
    from workers.engines.concepts.sam3.kernels import remove_small_areas
    from workers.engines.concepts.sam3.upsample import upsample_masks

    return next(
        upsample_masks(
            remove_small_areas(masks.float(), engine._settings.fill_area), (90, 140), 1, probabilities=False
        )
    )


def test_a_threshold_holds_for_its_own_video_only(engine: Sam3Concepts) -> None:
    model = engine._loaded.model
    before = model.score_threshold_detection, model.new_det_thresh
    assert not any(
        result.objects for result in whole(engine, TrackPrompts(PHRASES, thresholds=(0.999, 0.999)), 16)
    )
    assert (model.score_threshold_detection, model.new_det_thresh) == before


def test_bfloat16_and_padded_geometry_run_through_video() -> None:
    settings = Sam3Settings(source="random", max_objects=4, pad_geometry=True)
    model = tiny_model(SEED, **LIVELY).bfloat16()
    engine = Sam3Concepts(settings, loaded=tiny_loaded(model, settings))
    prompts = TrackPrompts.from_visual_prompts([CLICK], ("cat", "dog", "cat"), frame=100)
    tracker = engine.tracker(prompts)
    first = run(tracker, 0, 17)
    again = engine.tracker(prompts, state=tracker.snapshot())
    rest = [*run(tracker, 17, 20), *tracker.finish()]
    assert same([*run(again, 17, 20), *again.finish()], rest)
    results = [*first, *rest]
    assert [result.index for result in results] == list(range(100, 120))
    assert {item.prompt for result in results for item in result.objects} <= {0, 1, 3}


def test_what_cannot_be_followed_is_refused(engine: Sam3Concepts) -> None:
    with pytest.raises(ValueError, match="at least one"):
        engine.tracker(TrackPrompts())
    with pytest.raises(PhraseRejected):
        engine.tracker(TrackPrompts(("very " * 40 + "long",)))
    tracker = engine.tracker(TrackPrompts(("cat",)))
    tracker.step(frame(0))
    with pytest.raises(ValueError, match="size"):
        tracker.step(VideoFrame(1, 1, draw_image(1, (50, 60))))


@pytest.mark.parametrize("repaired", [True, False])
def test_masks_stay_with_their_objects_when_a_duplicate_is_removed(repaired: bool) -> None:
    """The unrepaired class shows what the repair is for; should it pass one day, the repair can go."""
    lively = {**LIVELY, "recondition_every_nth_frame": 0}
    model: Any = tiny_model(0, **lively)
    if not repaired:
        plain = Sam3VideoModel(tiny_config(**lively))
        plain.load_state_dict(model.state_dict())
        model = plain
    rows: dict[int, Any] = {}
    spread = model.run_tracker_propagation

    def spy(inference_session: Any, frame_idx: int, reverse: bool) -> Any:
        masks, scores = spread(inference_session, frame_idx, reverse)
        rows.clear()
        rows.update(zip(list(inference_session.obj_ids), masks, strict=True))
        return masks, scores

    model.run_tracker_propagation = spy
    settings = Sam3Settings(source="random", max_objects=6, pad_geometry=False)
    engine = Sam3Concepts(settings, loaded=tiny_loaded(model, settings))
    tracker = engine.tracker(TrackPrompts(PHRASES))
    assert isinstance(tracker, Sam3Tracker)
    wrong = checked = 0
    before: set[int] = set()
    for number in range(14):
        tracker.step(frame(number))
        side = tracker._phrase_tracker
        shown = tracker._deferred[-1].of_phrases
        assert side is not None
        assert shown is not None
        removed, before = before - set(side.session.obj_ids), set(side.session.obj_ids)
        if removed:
            for named, mask in zip(shown.ids, shown.masks, strict=True):
                if named in rows and named not in removed:
                    checked += 1
                    wrong += not torch.equal(mask, rows[named])
    assert checked > 0
    assert (wrong == 0) == repaired
