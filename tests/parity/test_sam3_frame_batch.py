"""Frames of a video worked on together, on RANDOM weights, against one frame at a time."""

from typing import Any

import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import numpy as np

from tests.parity.sam3_prompts import EVERYTHING, at, clicked
from tests.parity.sam3_runs import CLICK, FIRST, FRAMES, LIVELY, PHRASES, SEED, frame, run, same, whole
from tests.parity.sam3_tiny import draw_image, tiny_loaded, tiny_model
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame

# sums of a batch are rounded in another order: scores are shares of one
ROUNDING = 1e-5


def make_batched_engine(batch: int | None, **settings: Any) -> Sam3Concepts:
    chosen = Sam3Settings(
        source="random", **{"max_objects": 6, "batch": batch, "pad_geometry": False, **settings}
    )
    return Sam3Concepts(chosen, loaded=tiny_loaded(tiny_model(SEED, **LIVELY), chosen))


@pytest.fixture(scope="module")
def singly() -> Sam3Concepts:
    return make_batched_engine(1)


def agree(left: list[FrameResult], right: list[FrameResult], pixels: int = 0) -> None:
    """The same objects, scores but for rounding, and masks but for so many pixels in all."""
    other_pixels = 0
    assert [(one.index, one.pts) for one in left] == [(one.index, one.pts) for one in right]
    for one, other in zip(left, right, strict=True):
        for mine, theirs in zip(one.objects, other.objects, strict=True):
            assert (mine.id, mine.prompt, mine.label) == (theirs.id, theirs.prompt, theirs.label)
            assert mine.box == theirs.box
            assert mine.score == pytest.approx(theirs.score, abs=ROUNDING)
            other_pixels += np.count_nonzero(mine.mask != theirs.mask)
    assert other_pixels <= pixels


def spy_on(engine: Sam3Concepts, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """How many frames each forward of the backbone, and of the detector behind it, has taken."""
    detector, counts = engine._loaded.model.detector_model, {"backbone": [], "detector": []}
    encoder, decoder = detector.vision_encoder.forward, detector.detr_encoder.forward

    def see(pixel_values: Any, **given: Any) -> Any:
        counts["backbone"].append(len(pixel_values))
        return encoder(pixel_values, **given)

    def detect(*, vision_features: Any, **given: Any) -> Any:
        counts["detector"].append(len(vision_features[0]))
        return decoder(vision_features=vision_features, **given)

    monkeypatch.setattr(detector.vision_encoder, "forward", see)
    monkeypatch.setattr(detector.detr_encoder, "forward", detect)
    return counts


@pytest.mark.parametrize("batch", [3, 8])
@pytest.mark.parametrize(("padded", "pixels"), [(False, 0), (True, 2)])
def test_frames_together_find_what_each_frame_finds_alone(batch: int, padded: bool, pixels: int) -> None:
    """2 pixels of 2 million lie so near to the edge that rounding may move them; of the others none may."""
    alone = whole(make_batched_engine(1, pad_geometry=padded), EVERYTHING)
    together = whole(make_batched_engine(batch, pad_geometry=padded), EVERYTHING)
    assert sum(len(result.objects) for result in alone) > FRAMES
    agree(together, alone, pixels)


def test_backbone_and_detector_take_a_batch_in_one_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_batched_engine(8)
    counts = spy_on(engine, monkeypatch)
    whole(engine, TrackPrompts(("cat",)), 20)
    assert counts == {"backbone": [8, 8, 4], "detector": [8, 8, 4]}


def test_many_phrases_do_not_make_the_detectors_batch_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_batched_engine(8)
    counts = spy_on(engine, monkeypatch)
    whole(engine, TrackPrompts(("cat", "dog", "cow")), 8)
    assert counts["backbone"] == [8]
    # 2 frames x 3 phrases are the most that fit into 8
    assert counts["detector"] == [2] * 12


def test_frames_before_the_first_click_are_not_embedded(
    singly: Sam3Concepts, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, prompts = make_batched_engine(4), clicked(at(6, 1, CLICK))
    counts = spy_on(engine, monkeypatch)
    samples = whole(engine, prompts, 12)
    assert counts == {"backbone": [2, 4], "detector": []}
    agree(samples, whole(singly, prompts, 12))


def test_results_come_late_by_the_batch_and_none_is_lost(singly: Sam3Concepts) -> None:
    tracker = make_batched_engine(4).tracker(clicked(at(0, 1, CLICK)))
    stated = [[result.index - FIRST for result in tracker.step(frame(number))] for number in range(6)]
    assert stated == [[], [], [], [0, 1, 2, 3], [], []]
    assert [result.index - FIRST for result in tracker.finish()] == [4, 5]
    assert list(tracker.finish()) == []


@pytest.mark.parametrize("cut", [1, 17, 24, 30])
def test_a_snapshot_holds_results_that_were_not_yet_returned(cut: int) -> None:
    engine = make_batched_engine(8)
    tracker = engine.tracker(EVERYTHING)
    first = run(tracker, 0, cut)
    kept = tracker.snapshot()
    again = engine.tracker(EVERYTHING, state=kept)
    assert again.snapshot() == kept
    rest = [*run(tracker, cut, FRAMES), *tracker.finish()]
    assert same([*run(again, cut, FRAMES), *again.finish()], rest)
    agree([*first, *rest], whole(make_batched_engine(1), EVERYTHING))


def test_waiting_frames_are_all_that_a_batch_adds_to_the_state() -> None:
    singly, together = (make_batched_engine(batch).tracker(TrackPrompts(PHRASES)) for batch in (1, 4))
    assert isinstance(singly, Sam3Tracker)
    assert isinstance(together, Sam3Tracker)
    one = 3 * 112 * 112 * 4
    for number in range(24):
        for tracker in (singly, together):
            tracker.step(frame(number))
        if number % 4 == 3:
            assert together.state_bytes() == singly.state_bytes()
        assert len(together._waiting) == (number + 1) % 4
        assert sum(frame.pixels.nbytes for frame in together._waiting) == len(together._waiting) * one


def test_what_cannot_be_followed_is_refused_when_its_batch_is_worked_on() -> None:
    tracker = make_batched_engine(4).tracker(TrackPrompts(PHRASES, visual_prompts=(at(2, 77, CLICK),)))
    for number in range(3):
        tracker.step(frame(number))
    with pytest.raises(ObjectUnknown):
        tracker.step(frame(3))
    other = make_batched_engine(4).tracker(TrackPrompts(PHRASES))
    other.step(frame(0))
    with pytest.raises(ValueError, match="size"):
        other.step(VideoFrame(1, 1, draw_image(1, (50, 60))))


def test_an_image_after_a_video_goes_to_the_model_itself(singly: Sam3Concepts) -> None:
    engine = make_batched_engine(4)
    whole(engine, TrackPrompts(PHRASES), 6)
    image = draw_image(3)
    mine, theirs = (
        built.ground(built.embed(image, "p"), PHRASES, thresholds=(0, 0)) for built in (engine, singly)
    )
    assert [item.score for item in mine] == [item.score for item in theirs]
    assert len(mine) > 0


@pytest.mark.parametrize(
    ("value", "device", "frames"), [(None, "cpu", 1), (None, "cuda", 4), ("6", "cpu", 6)]
)
def test_the_batch_is_set_or_follows_from_the_device(
    monkeypatch: pytest.MonkeyPatch, value: str | None, device: str, frames: int
) -> None:
    monkeypatch.delenv("MAQUETTE_SAM3_BATCH", raising=False)
    if value is not None:
        monkeypatch.setenv("MAQUETTE_SAM3_BATCH", value)
    assert Sam3Settings().resolve_profile(device).batch == frames


def test_the_version_names_a_batch_that_changes_rounding(singly: Sam3Concepts) -> None:
    assert make_batched_engine(4).info.version == f"{singly.info.version} batch-4"


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_batch_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MAQUETTE_SAM3_BATCH", value)
    with pytest.raises(ValueError, match="MAQUETTE_SAM3_BATCH"):
        Sam3Settings()
