"""Prompts on the objects of phrases, on RANDOM weights: takeovers, removals, thresholds."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_prompts import DRAWN, OTHER, at, clicked, find_mask, lively_engine, points
from tests.parity.sam3_runs import CLICK, FIRST, FRAMES, PHRASES, frame, list_objects, run, same, whole
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.protocols import FrameResult, Removal, TrackPrompts, VisualPrompt


@pytest.fixture(scope="module")
def engine() -> Sam3Concepts:
    return lively_engine()


@pytest.fixture(scope="module")
def alone(engine: Sam3Concepts) -> list[FrameResult]:
    """What the phrases find when nobody clicks."""
    return whole(engine, TrackPrompts(PHRASES))


def test_a_click_corrects_an_object_of_a_phrase_under_its_own_id(
    engine: Sam3Concepts, alone: list[FrameResult]
) -> None:
    turn, cut = 20, 25
    last = {item.id: result.index - FIRST for result in alone for item in result.objects}
    chosen = next(item for item in alone[turn].objects if last[item.id] == FRAMES - 1)
    correction = points((chosen.box[0] + 1, chosen.box[1] + 1, 0), (70.0, 80.0, 1))
    prompts = TrackPrompts(PHRASES, visual_prompts=(at(turn, chosen.id, correction),))
    tracker = engine.tracker(prompts)
    corrected = run(tracker, 0, cut)
    again = engine.tracker(prompts, state=tracker.snapshot())
    rest = [*run(again, cut, FRAMES), *again.finish()]
    corrected += [*run(tracker, cut, FRAMES), *tracker.finish()]
    assert same(corrected[-len(rest) :], rest)
    assert same(corrected[:turn], alone[:turn])
    later = [item for result in corrected[turn:] for item in result.objects if item.id == chosen.id]
    assert later and {(item.prompt, item.label) for item in later} == {(chosen.prompt, chosen.label)}
    assert not np.array_equal(find_mask(corrected[turn], chosen.id), chosen.mask)
    for one, other in zip(corrected[turn:], alone[turn:], strict=True):
        # a pixel that the taken object held may fall to another of its phrase, which then shows
        others = [{item.id for item in result.objects} - {chosen.id} for result in (one, other)]
        assert others[1] <= others[0]


def test_a_taken_object_starts_from_the_mask_that_the_phrase_had(
    engine: Sam3Concepts, alone: list[FrameResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = alone[20].objects[0]
    tracker = engine.tracker(
        TrackPrompts(PHRASES, visual_prompts=(at(20, chosen.id, points((70.0, 80.0, 0))),))
    )
    run(tracker, 0, 20)
    given: list[Any] = []
    model = engine._loaded.model.tracker_model
    original = model._use_mask_as_output

    def spy(features: Any, maps: Any, mask: Any) -> Any:
        given.append(mask)
        return original(features, maps, mask)

    monkeypatch.setattr(model, "_use_mask_as_output", spy)
    tracker.step(frame(20))
    seed = given[-1][0, 0]
    assert isinstance(tracker, Sam3Tracker) and tracker._prompt_tracker is not None
    assert tracker._prompt_tracker.is_tracking(chosen.id)
    plain = engine.tracker(TrackPrompts(PHRASES))
    run(plain, 0, 21)
    assert isinstance(plain, Sam3Tracker)
    shown = plain._deferred[-1].of_phrases
    assert shown is not None
    # without clicked objects the ids of phrases begin at 1
    logits = shown.masks[shown.ids.index(chosen.id - 1)]
    assert torch.equal(seed, (logits > 0).float()) and seed.any()


def test_removed_objects_are_gone_for_good_and_the_others_stay(
    engine: Sam3Concepts, alone: list[FrameResult]
) -> None:
    kept = clicked(at(0, 1, CLICK), at(0, 2, OTHER), at(0, 3, VisualPrompt(mask=DRAWN)), objects=3)
    before = whole(engine, kept)
    gone = TrackPrompts(
        objects=3,
        visual_prompts=(*kept.visual_prompts, at(25, 2, OTHER)),
        removals=(Removal(FIRST + 11, 2), Removal(FIRST + 11, 9)),
    )
    after = whole(engine, gone)
    assert any(item.id == 2 for result in before[11:] for item in result.objects)
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        expected = [item for item in list_objects(one) if number < 11 or item[0] != 2]
        assert list_objects(other) == expected
    named = alone[20].objects[0].id
    without = whole(engine, TrackPrompts(PHRASES, removals=(Removal(FIRST + 20, named),)))
    assert same(without[:20], alone[:20])
    assert not any(item.id == named for result in without[20:] for item in result.objects)
    assert any(item.id == named for result in alone[20:] for item in result.objects)


def test_each_phrase_has_its_own_threshold(engine: Sam3Concepts) -> None:
    alone = whole(engine, TrackPrompts(("dog",)), 20)
    strict = whole(engine, TrackPrompts(PHRASES, thresholds=(0.999, None)), 20)
    assert any(result.objects for result in alone)
    assert {item.label for result in strict for item in result.objects} == {"dog"}
    for one, other in zip(alone, strict, strict=True):
        assert [item.id for item in one.objects] == [item.id for item in other.objects]
        assert all(np.array_equal(a.mask, b.mask) for a, b in zip(one.objects, other.objects, strict=True))
    born = [item.score for item in whole(engine, TrackPrompts(("dog",)), 1)[0].objects]
    middle = sorted(born)[len(born) // 2]
    some = whole(engine, TrackPrompts(("dog",), thresholds=(middle,)), 1)[0].objects
    assert {item.score for item in some} == {score for score in born if score >= middle} != set(born)
