"""Our adapter of Meta's own package against a FAKE of it: see sam3_meta_fake.py for its contract."""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.paths import REPOSITORY

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_meta_fake import CANVAS, FakeImageModel, FakePredictor, FakeProcessor, seen
from tests.parity.sam3_runs import same
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3 import backends
from workers.engines.concepts.sam3.errors import ObjectUnknown, PhraseRejected, Sam3Unavailable
from workers.engines.concepts.sam3.meta_backend import loading as meta_loading
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.concepts.sam3.meta_backend.image_weights import load_image_weights
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels, MetaPackageMissing, NeedsCuda
from workers.engines.concepts.sam3.settings import BACKEND_VARIABLE, CHECKPOINT_VARIABLE, MetaSettings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.protocols import (
    ConceptEngine,
    FrameExemplar,
    FrameResult,
    Removal,
    RequestRefused,
    TimedPrompt,
    TrackPrompts,
    VideoFrame,
    VisualPrompt,
)
from workers.engines.weights import WeightsCorrupt

RED, GREEN = (20.0, 40.0), (120.0, 60.0)
FIRST, FRAMES = 100, 8
IMAGE = draw_image()


def engine(**settings: Any) -> MetaConcepts:
    loaded = MetaModels(MetaSettings(fill_area=0, **settings), "cpu", {"sam3.pt": "0" * 64}, autocast=False)
    loaded.__dict__.update(image=FakeImageModel(), processor=FakeProcessor(), predictor=FakePredictor())
    return MetaConcepts(models=loaded)


def predictor(engine: MetaConcepts) -> Any:
    return engine._models.predictor


def frame(number: int) -> VideoFrame:
    return VideoFrame(FIRST + number, number * 512, draw_image(number))


def run(
    concepts: MetaConcepts,
    prompts: TrackPrompts,
    shown: Sequence[FrameExemplar] = (),
    numbers: Sequence[int] = range(FRAMES),
) -> list[FrameResult]:
    tracker = concepts.tracker(replace(prompts, exemplars=tuple(shown)))
    for number in numbers:
        assert list(tracker.step(frame(number))) == []
    return list(tracker.finish())


def point(at: tuple[float, float], label: int = 1) -> VisualPrompt:
    return VisualPrompt(points=np.array([at]), labels=np.array([label]))


def masks(results: list[FrameResult], name: int) -> dict[int, Any]:
    return {each.index - FIRST: item.mask for each in results for item in each.objects if item.id == name}


def test_it_is_a_concept_engine_that_names_its_commit() -> None:
    built = engine()
    assert isinstance(built, ConceptEngine)
    assert built.info.name == "sam3" and meta_loading.COMMIT[:12] in built.info.version
    assert "3.1" in engine(multiplex="sam3.1_multiplex.pt").info.version


def test_phrases_exemplars_and_clicks_on_an_image() -> None:
    built = engine()
    handle = built.embed(IMAGE, "one")
    assert built.embed(IMAGE, "one") is handle and handle.nbytes == 2 * CANVAS * CANVAS * 3 + 2 * 4 * 128
    instances = built.ground(handle, ["green", "red", "blue"])
    assert [(item.prompt, item.label) for item in instances] == [(0, "green"), (1, "red")]
    for item in instances:
        assert item.label is not None and np.array_equal(item.mask, seen(IMAGE, item.label))
    assert built.ground(handle, ["red"], thresholds=[0.999]) == []
    (alike,) = built.ground_exemplars(handle, [(10.0, 30.0, 30.0, 50.0)], [1])
    assert np.array_equal(alike.mask, seen(IMAGE, "red"))
    box = VisualPrompt(box=(110.0, 50.0, 130.0, 70.0))
    answers = built.segment(
        handle, [point(RED), box, VisualPrompt(mask=seen(IMAGE, "green")), point((70.0, 80.0))]
    )
    for answer, name in zip(answers, ("red", "green", "green"), strict=False):
        assert np.array_equal(answer.mask, seen(IMAGE, name))
    assert [item.score for item in answers] == [0.9, 0.2, 0.2, 0.0]
    assert answers[3].flags == ("low_iou",)


def test_what_the_package_cannot_do_on_an_image_is_refused() -> None:
    built = engine()
    handle, other = built.embed(IMAGE, "one"), built.embed(draw_image(3), "two")
    with pytest.raises(RequestRefused) as refused:
        built.ground_exemplars(handle, [(10.0, 30.0, 30.0, 50.0)], [1], shown=[other])
    assert refused.value.problem.code == "exemplars_other_image" and refused.value.problem.status == 422
    built.ground_exemplars(handle, [(10.0, 30.0, 30.0, 50.0)], [1], shown=[None])
    for phrase, code in (("  ", "phrase_empty"), ("word " * 31, "phrase_too_long")):
        with pytest.raises(PhraseRejected) as rejected:
            built.ground(handle, [phrase])
        assert rejected.value.problem.code == code


def test_each_phrase_is_a_pass_and_its_objects_have_ids_of_their_own() -> None:
    built = engine()
    results = run(built, TrackPrompts(("red", "green"), thresholds=(None, 0.55)))
    assert [(each.index, each.pts) for each in results] == [(FIRST + n, n * 512) for n in range(FRAMES)]
    for each in results:
        assert [(item.id, item.prompt, item.label) for item in each.objects] == [
            (1, 0, "red"),
            (2, 1, "green"),
        ]
        for item in each.objects:
            assert item.label is not None
            assert np.array_equal(item.mask, seen(draw_image(each.index - FIRST), item.label))
    assert predictor(built).sessions == {}, "the session is closed"
    model = predictor(built).model
    assert (model.score_threshold_detection, model.new_det_thresh) == (0.5, 0.7)
    strict = run(built, TrackPrompts(("red", "green")))
    assert {item.label for each in strict for item in each.objects} == {"red"}, (
        "0.6 starts no track by itself"
    )


def test_points_correct_an_object_of_a_phrase_from_their_frame_on() -> None:
    prompts = TrackPrompts(("red",), visual_prompts=(TimedPrompt(FIRST + 3, 1, point(GREEN_AT_3)),))
    results = run(engine(), prompts)
    for number, mask in masks(results, 1).items():
        image = draw_image(number)
        expected = seen(image, "red") | (seen(image, "green") if number >= 3 else np.zeros_like(mask))
        assert np.array_equal(mask, expected)
    assert all(len(each.objects) == 1 for each in results)


GREEN_AT_3 = (114.0, 60.0)


def test_clicked_objects_start_on_their_frames_and_can_be_removed() -> None:
    box = VisualPrompt(box=(10.0, 30.0, 34.0, 50.0))
    prompts = TrackPrompts(
        ("red",),
        objects=2,
        visual_prompts=(TimedPrompt(FIRST, 1, box), TimedPrompt(FIRST + 3, 2, point(GREEN_AT_3))),
        removals=(Removal(FIRST + 5, 2), Removal(FIRST + 6, 3), Removal(FIRST + 99, 1)),
    )
    built = engine()
    results = run(built, prompts)
    assert sorted(masks(results, 1)) == list(range(FRAMES))
    assert sorted(masks(results, 2)) == [3, 4]
    assert sorted(masks(results, 3)) == [0, 1, 2, 3, 4, 5]
    assert all(np.array_equal(mask, seen(draw_image(n), "green")) for n, mask in masks(results, 2).items())
    assert {item.prompt for each in results for item in each.objects if item.id == 2} == {2}
    corners = next(each for each in predictor(built).asked if each.get("obj_id") == 1)
    assert corners["point_labels"] == [2, 3]
    assert corners["points"][0] == pytest.approx([10 / 140, 30 / 90])
    inside = next(each for each in predictor(built).asked if each.get("obj_id") == 2)
    assert inside["points"][0] == pytest.approx([114 / 140 - 0.5 / 112, 60 / 90 - 0.5 / 112])


def test_a_box_on_a_frame_shows_what_is_meant_in_both_directions() -> None:
    for place, box in ((3, (104.0, 50.0, 124.0, 70.0)), (FRAMES - 1, (96.0, 50.0, 116.0, 70.0))):
        built = engine()
        predictor(built).model.new_det_thresh = 0.5
        results = run(built, TrackPrompts(("visual",)), [FrameExemplar(FIRST + place, 0, box)])
        assert sorted(masks(results, 1)) == list(range(FRAMES))
        assert all(
            np.array_equal(mask, seen(draw_image(n), "green")) for n, mask in masks(results, 1).items()
        )
        first = next(each for each in predictor(built).asked if each["type"] == "add_prompt")
        assert "text" not in first and first["frame_index"] == place


def test_frames_may_come_backwards_and_a_restored_tracker_gives_the_same() -> None:
    prompts = TrackPrompts(
        ("red",), objects=1, visual_prompts=(TimedPrompt(FIRST + 3, 1, point(GREEN_AT_3)),)
    )
    numbers = list(range(FRAMES - 1, -1, -1))
    results = run(engine(), prompts, numbers=numbers)
    assert [each.index - FIRST for each in results] == numbers
    assert sorted(masks(results, 1)) == [0, 1, 2, 3], "from frame 3 on, the other way"
    built = engine()
    tracker = built.tracker(prompts)
    with pytest.raises(ValueError, match="before the first frame"):
        tracker.snapshot()
    for number in numbers[:5]:
        tracker.step(frame(number))
    kept = tracker.snapshot()
    again = built.tracker(prompts, state=kept)
    assert again.snapshot() == kept
    for number in numbers[5:]:
        again.step(frame(number))
    assert same(list(again.finish()), results) and list(again.finish()) == []
    with pytest.raises(ValueError, match="other prompts"):
        built.tracker(TrackPrompts(("green",)), state=kept)


def test_what_the_package_cannot_do_in_a_video_is_refused() -> None:
    built = engine(max_frames=2)
    with pytest.raises(ValueError, match="at least one"):
        built.tracker(TrackPrompts())
    prompts = TrackPrompts.from_visual_prompts([VisualPrompt(mask=seen(IMAGE, "red"))], frame=FIRST)
    with pytest.raises(RequestRefused) as refused:
        built.tracker(prompts)
    assert refused.value.problem.code == "mask_prompt_unsupported"
    twice = [FrameExemplar(FIRST, 0, (1.0, 1.0, 9.0, 9.0))] * 2
    with pytest.raises(RequestRefused) as many:
        built.tracker(TrackPrompts(("red",), exemplars=tuple(twice)))
    assert many.value.problem.code == "exemplars_too_many"
    tracker = built.tracker(TrackPrompts(("red",)))
    tracker.step(frame(0))
    with pytest.raises(ValueError, match="size"):
        tracker.step(VideoFrame(1, 1, draw_image(1, (50, 60))))
    tracker.step(frame(1))
    with pytest.raises(RequestRefused) as long:
        tracker.step(frame(2))
    assert long.value.problem.code == "video_too_long"
    with pytest.raises(ObjectUnknown):
        run(engine(), TrackPrompts(("red",), visual_prompts=(TimedPrompt(FIRST, 7, point(RED)),)))


def test_the_setting_picks_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[type] = []

    def note(self: Any, _settings: Any) -> None:
        self.info = SimpleNamespace(device="cpu")
        collected.append(type(self))

    monkeypatch.setattr(Sam3Concepts, "__init__", note)
    monkeypatch.setattr(MetaConcepts, "__init__", note)
    for value, kind in (("", Sam3Concepts), ("transformers", Sam3Concepts), ("Meta ", MetaConcepts)):
        monkeypatch.setenv(BACKEND_VARIABLE, value)
        assert type(backends.concepts()) is kind
    assert collected == [Sam3Concepts, Sam3Concepts, MetaConcepts]
    monkeypatch.setenv(BACKEND_VARIABLE, "onnx")
    with pytest.raises(ValueError, match=r"BACKEND\n.*'transformers' or 'meta'"):
        backends.concepts()


def test_the_image_installs_the_commit_whose_contract_is_recorded() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^ARG SAM3_COMMIT=(\w+)$", dockerfile, re.MULTILINE) == [meta_loading.COMMIT]


def test_loading_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    actual: list[object] = [None]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: actual[0])
    with pytest.raises(MetaPackageMissing, match=meta_loading.COMMIT):
        meta_loading.find_models(MetaSettings())
    actual[0] = object()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NeedsCuda, match="MAQUETTE_SAM3_BACKEND=transformers"):
        meta_loading.find_models(MetaSettings())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90"])
    with pytest.raises(NeedsCuda, match="there is no cuda:1"):
        meta_loading.find_models(MetaSettings(device="cuda:1"))
    with pytest.raises(NeedsCuda, match="cpu will not do"):
        meta_loading.find_models(MetaSettings(device="cpu"))
    with pytest.raises(Sam3Unavailable, match=CHECKPOINT_VARIABLE):
        meta_loading.find_models(MetaSettings())
    with pytest.raises(Sam3Unavailable, match="not a file"):
        meta_loading.find_models(MetaSettings(checkpoint=str(tmp_path / "sam3.pt")))
    (tmp_path / "sam3.pt").write_bytes(b"weights")
    monkeypatch.setenv(CHECKPOINT_VARIABLE, str(tmp_path / "sam3.pt"))
    loaded = meta_loading.find_models(MetaSettings())
    assert loaded.device == "cuda" and len(loaded.weights["sam3.pt"]) == 64
    monkeypatch.setenv("MAQUETTE_SAM3_META_IMAGES", "sam3.1")
    with pytest.raises(Sam3Unavailable, match="MAQUETTE_SAM3_META_MULTIPLEX"):
        meta_loading.find_models(MetaSettings())
    (tmp_path / "sam3.1.pt").write_bytes(b"more weights")
    monkeypatch.setenv("MAQUETTE_SAM3_META_MULTIPLEX", str(tmp_path / "sam3.1.pt"))
    assert list(meta_loading.find_models(MetaSettings()).weights) == ["sam3.1.pt"]


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(2, 2)

    path = tmp_path / "sam3.pt"
    torch.save({"model": {"detector.head.weight": torch.eye(2)}}, path)
    with pytest.raises(WeightsCorrupt, match=r"head\.bias"):
        load_image_weights(Model(), path)
    torch.save({"detector.head.weight": torch.eye(2), "detector.head.bias": torch.ones(2)}, path)
    model = Model()
    load_image_weights(model, path)
    assert torch.equal(model.head.weight, torch.eye(2))
