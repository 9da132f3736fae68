"""Prompts on any frame, on RANDOM weights: late clicks, corrections, bounded memory, backwards."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoInferenceSession,
)

from tests.parity.sam3_prompts import DRAWN, EVERYTHING, OTHER, at, clicked, find_mask, lively_engine, points
from tests.parity.sam3_runs import (
    CLICK,
    FIRST,
    FRAMES,
    PHRASES,
    SEED,
    frame,
    over,
    run,
    same,
    same_frame,
    whole,
)
from tests.parity.sam3_tiny import NO_POINTS, SIZE, draw_image, tiny_loaded, tiny_model
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.kernels import remove_small_areas
from workers.engines.concepts.sam3.preprocess import to_pixels, to_point_tokens, to_square_mask
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend import pruning, sessions
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.concepts.sam3.upsample import upsample_masks
from workers.engines.protocols import (
    FrameResult,
    Removal,
    TimedPrompt,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)


@pytest.fixture(scope="module")
def engine() -> Sam3Concepts:
    return lively_engine()


@pytest.fixture(scope="module")
def bounded(engine: Sam3Concepts) -> list[FrameResult]:
    return whole(engine, EVERYTHING)


class Stock:
    """transformers' own click session, unbounded, over the same frames."""

    def __init__(self, engine: Sam3Concepts) -> None:
        self.loaded, self.fill = engine._loaded, engine._settings.fill_area
        self.model = self.loaded.model.tracker_model
        self.session = Sam3TrackerVideoInferenceSession(
            video=torch.zeros(FRAMES, 3, self.loaded.side, self.loaded.side),
            video_height=SIZE[0],
            video_width=SIZE[1],
            dtype=torch.float32,
        )

    def ask(self, number: int, name: int, click: VisualPrompt) -> None:
        index, side = self.session.obj_id_to_idx(name), self.loaded.side
        if click.mask is None:
            coordinates, labels = to_point_tokens(click.box, *NO_POINTS, SIZE, side)
            self.session.add_point_inputs(
                index, number, {"point_coords": coordinates, "point_labels": labels.int()}
            )
        else:
            self.session.add_mask_inputs(index, number, (to_square_mask(click.mask, side) >= 0.5).float())
        self.session.obj_with_new_inputs = [name]

    def step(self, number: int) -> Any:
        pixels = to_pixels(draw_image(number), self.loaded.side, device="cpu", dtype=torch.float32)
        self.session.cache.cache_vision_features(number, sessions.compute_features(self.loaded.model, pixels))
        return self.model(inference_session=self.session, frame_idx=number).pred_masks[:, 0]

    def shown(self, logits: Any) -> Any:
        return list(
            upsample_masks(remove_small_areas(logits.float(), self.fill), SIZE, 1, probabilities=False)
        )


@pytest.mark.parametrize("second", [OTHER, VisualPrompt(mask=DRAWN)], ids=["box", "mask"])
def test_prompts_on_later_frames_are_transformers_own(engine: Sam3Concepts, second: VisualPrompt) -> None:
    tracker = engine.tracker(clicked(at(7, 1, CLICK), at(26, 1, second)))
    stock, seen = Stock(engine), 0
    for number in range(FRAMES):
        (result,) = tracker.step(frame(number))
        if number < 7:
            assert not result.objects
            continue
        if number in (7, 26):
            stock.ask(number, 1, CLICK if number == 7 else second)
        (expected,) = stock.shown(stock.step(number))
        assert np.array_equal(find_mask(result, 1), expected)
        seen += bool(expected.any())
    assert seen > 20


def test_an_object_added_later_is_alone_in_its_masks_and_leaves_the_others_theirs(
    engine: Sam3Concepts,
) -> None:
    first = whole(engine, clicked(at(0, 1, CLICK)))
    second = whole(engine, clicked(at(17, 2, OTHER), objects=2))
    both = whole(engine, clicked(at(0, 1, CLICK), at(17, 2, OTHER), objects=2))
    assert sum(bool(result.objects) for result in second) > 10
    for one, other, result in zip(first, second, both, strict=True):
        assert np.array_equal(find_mask(result, 1), find_mask(one, 1))
        assert np.array_equal(find_mask(result, 2), find_mask(other, 2))


def test_a_correction_reads_the_frames_own_mask(engine: Sam3Concepts) -> None:
    correction = points((100.0, 50.0, 1), (20.0, 20.0, 0))
    before = whole(engine, clicked(at(0, 1, CLICK)))
    after = whole(engine, clicked(at(0, 1, CLICK), at(20, 1, correction)))
    assert same(before[:20], after[:20])
    assert not np.array_equal(find_mask(before[20], 1), find_mask(after[20], 1))
    assert not same(before[21:], after[21:]), "the correction is remembered"
    stock = Stock(engine)
    stock.ask(0, 1, CLICK)
    for number in range(21):
        logits = stock.step(number)
    coordinates, labels = to_point_tokens(None, correction.points, correction.labels, SIZE, stock.loaded.side)
    options = {"point_coords": coordinates, "point_labels": labels.int()}
    expected = []
    for prior in (logits[:, None].clamp(-32, 32), None):
        with torch.inference_mode():
            out = stock.model._run_single_frame_inference(
                stock.session, 20, 0, 1, True, options, None, False, prev_sam_mask_logits=prior
            )
        expected.append(remove_small_areas(out["pred_masks"][:, 0].float(), stock.fill))
    # results of a phrase wait, and with them the frame's logits
    tracker = engine.tracker(TrackPrompts(("cat",), (), 1, (at(0, 1, CLICK), at(20, 1, correction))))
    assert isinstance(tracker, Sam3Tracker)
    run(tracker, 0, 21)
    waiting = tracker._deferred[-1].of_prompts
    assert waiting is not None
    assert torch.equal(waiting.masks, expected[0])
    assert not torch.equal(expected[0], expected[1]), "the prior must matter for this test to say anything"


def test_bounded_memory_gives_what_unbounded_memory_gives(
    engine: Sam3Concepts, bounded: list[FrameResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sum(len(result.objects) for result in bounded) > FRAMES

    def keep_everything(self: Any, session: Any, number: int) -> None:
        for frames in session.frames_tracked_per_obj.values():
            frames.clear()
        session.cache.clear_all()

    monkeypatch.setattr(pruning.SessionPruner, "prune", keep_everything)
    assert same(whole(engine, EVERYTHING), bounded)


def test_corrections_without_end_stay_under_the_ceiling_of_an_object() -> None:
    settings = Sam3Settings(source="random", pointer_history=6, pad_geometry=False)
    built = Sam3Concepts(settings, loaded=tiny_loaded(tiny_model(SEED), settings))
    corrections = [at(number, 1, points((30.0, 45.0, 1), (60.0, 10.0, 0))) for number in range(1, 80, 2)]
    tracker = built.tracker(clicked(at(0, 1, CLICK), *corrections))
    assert isinstance(tracker, Sam3Tracker)
    sizes = []
    for number in range(80):
        tracker.step(VideoFrame(FIRST + number, number, draw_image(number % 20)))
        sizes.append(tracker.state_bytes())
    assert tracker._prompt_tracker is not None
    (outputs,) = tracker._prompt_tracker.session.output_dict_per_obj.values()
    assert len(outputs["cond_frame_outputs"]) == settings.pointer_history
    model = built._loaded.model
    # beside the object itself there is one position encoding, which all objects share
    assert max(sizes) <= pruning.max_object_bytes(model.config, settings.pointer_history, model.dtype) + 2**15
    assert max(sizes[40:]) <= max(sizes[:40])


@pytest.mark.parametrize("cut", [2, 12, 19, 31, 36])
def test_a_tracker_restored_before_late_prompts_goes_on_bit_for_bit(
    engine: Sam3Concepts, bounded: list[FrameResult], cut: int
) -> None:
    tracker = engine.tracker(EVERYTHING)
    first = run(tracker, 0, cut)
    kept = tracker.snapshot()
    again = engine.tracker(EVERYTHING, state=kept)
    assert again.snapshot() == kept
    assert same([*first, *run(again, cut, FRAMES), *again.finish()], bounded)


def test_frames_may_come_backwards(engine: Sam3Concepts) -> None:
    correction = points((30.0, 45.0, 1), (60.0, 10.0, 0))
    clicks = (at(38, 1, CLICK), at(30, 2, VisualPrompt(mask=DRAWN)), at(21, 1, correction), at(15, 2, OTHER))
    given = TrackPrompts(PHRASES, objects=2, visual_prompts=clicks, removals=(Removal(FIRST + 9, 1),))
    backward = engine.tracker(given)
    numbers = range(FRAMES - 1, -1, -1)
    actual = [*over(backward, numbers), *backward.finish()]
    assert [result.index for result in actual] == [FIRST + number for number in numbers]
    turned = {FIRST + number: 1000 + FRAMES - 1 - number for number in range(FRAMES)}
    forward = engine.tracker(
        TrackPrompts(
            PHRASES,
            objects=2,
            visual_prompts=tuple(TimedPrompt(turned[each.frame], each.id, each.prompt) for each in clicks),
            removals=tuple(Removal(turned[each.frame], each.id) for each in given.removals),
        )
    )
    expected = []
    for number in numbers:
        expected += forward.step(VideoFrame(turned[FIRST + number], 0, draw_image(number)))
    expected += forward.finish()
    assert sum(len(result.objects) for result in actual) > FRAMES
    assert all(same_frame(one, other) for one, other in zip(actual, expected, strict=True))


def test_several_clicks_on_one_object_and_frame_are_one_prompt(engine: Sam3Concepts) -> None:
    apart = clicked(
        at(0, 1, OTHER), at(0, 1, CLICK), at(0, 1, points((30.0, 40.0, 1))), at(0, 1, points((80.0, 5.0, 0)))
    )
    box_and_points = VisualPrompt(
        box=CLICK.box, points=np.array([[30.0, 40.0], [80.0, 5.0]]), labels=np.array([1, 0])
    )
    assert same(whole(engine, apart, 10), whole(engine, clicked(at(0, 1, box_and_points)), 10))


def test_points_correct_a_mask(engine: Sam3Concepts) -> None:
    prompt = VisualPrompt(mask=DRAWN, points=np.array([[20.0, 20.0]]), labels=np.array([1]))
    plain = whole(engine, clicked(at(0, 1, VisualPrompt(mask=DRAWN))), 3)
    corrected = whole(engine, clicked(at(0, 1, prompt)), 3)
    assert not same(plain, corrected)


def test_clicks_that_cannot_be_answered_are_refused(engine: Sam3Concepts) -> None:
    tracker = engine.tracker(TrackPrompts(PHRASES, visual_prompts=(at(2, 77, CLICK),)))
    run(tracker, 0, 2)
    with pytest.raises(ObjectUnknown) as unknown:
        tracker.step(frame(2))
    assert unknown.value.problem.code == "object_unknown" and unknown.value.problem.status == 422
    with pytest.raises(ValueError, match="outside the image"):
        engine.tracker(clicked(at(500, 1, points((500.0, 5.0, 1))))).step(frame(0))
    with pytest.raises(ValueError, match="a point inside"):
        engine.tracker(clicked(at(0, 1, points((5.0, 5.0, 0))))).step(frame(0))
