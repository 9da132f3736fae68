"""Memory, devices and kernels of Meta's backend, against a FAKE of Meta's package: see sam3_meta_fake.py."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from transformers.models.sam3_video import modeling_sam3_video

from tests.parity.sam3_meta_fake import FakeImageModel, FakePredictor, FakeProcessor, seen
from tests.parity.sam3_tiny import tiny_engine
from tests.parity.test_sam3_meta import (
    FIRST,
    FRAMES,
    GREEN_AT_3,
    IMAGE,
    RED,
    engine,
    point,
    predictor,
    run,
)
from workers.engines.concepts.sam3 import backends
from workers.engines.concepts.sam3.errors import ObjectUnknown
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.meta_backend.sessions import HostMasks
from workers.engines.concepts.sam3.settings import MetaSettings
from workers.engines.concepts.sam3.warm_up import warm_up
from workers.engines.protocols import RequestRefused, TimedPrompt, TrackPrompts


def test_nothing_of_a_clip_is_held_once_its_session_is_closed() -> None:
    concepts = engine()
    for _ in range(2):
        run(concepts, TrackPrompts(("red", "green")))
    with pytest.raises(ObjectUnknown):
        run(concepts, TrackPrompts(visual_prompts=(TimedPrompt(FIRST, 3, point(RED)),), objects=1))
    assert len(predictor(concepts).held) == 3
    assert predictor(concepts).held == [{}, {}, {}] and not predictor(concepts).sessions


def test_masks_that_do_not_fit_into_memory_are_refused_and_the_session_is_closed() -> None:
    one_frame = IMAGE.shape[0] * IMAGE.shape[1]
    concepts = engine(mask_bytes=3 * one_frame)
    with pytest.raises(RequestRefused) as caught:
        run(concepts, TrackPrompts(("red", "green")))
    assert caught.value.problem.code == "video_too_long" and not predictor(concepts).sessions
    assert len(run(concepts, TrackPrompts(("red",)), numbers=range(3))) == 3


def test_masks_that_upstream_caches_count_as_the_bits_that_are_left_of_them() -> None:
    """Those of one phrase are handed out one by one, and its session keeps all of them."""
    one_frame = IMAGE.shape[0] * IMAGE.shape[1]
    assert len(run(engine(mask_bytes=2 * one_frame), TrackPrompts(("red",)))) == FRAMES
    with pytest.raises(RequestRefused, match="Meta's package and its last pass need"):
        run(engine(mask_bytes=3 * one_frame // 2), TrackPrompts(("red",)))


def test_the_bytes_of_packed_masks_are_counted_as_they_come_and_go() -> None:
    large, small = torch.ones(10, 16, dtype=torch.bool), torch.ones(3, 3, dtype=torch.bool)
    masks = HostMasks({1: large, 2: small})
    assert masks.nbytes == 20 + 2
    # replaced, removed, and removed again as upstream does with an object that may be gone
    masks[1] = small
    del masks[2]
    assert masks.pop(2, None) is None and masks.nbytes == 2
    masks.update({3: large})
    assert torch.equal(masks.pop(3), large) and masks.nbytes == 2
    masks.clear()
    assert masks.nbytes == 0


def test_holes_are_filled_on_images(monkeypatch: pytest.MonkeyPatch) -> None:
    # as transformers starts, without a kernel from the hub: it then leaves masks as they are, silently
    monkeypatch.setattr(modeling_sam3_video, "cv_utils_kernel", None)
    loaded = MetaModels(MetaSettings(fill_area=16), "cpu", {}, autocast=False)
    loaded.__dict__.update(image=FakeImageModel(), processor=FakeProcessor(), predictor=FakePredictor())
    concepts = MetaConcepts(models=loaded)
    photo = IMAGE.copy()
    photo[39:42, 19:22] = 0
    assert not seen(photo, "red")[40, 20]
    (found,) = concepts.ground(concepts.embed(photo, "a"), ["red"])
    assert found.mask[40, 20] and (found.mask ^ seen(IMAGE, "red")).sum() == 0


def start_sam31(resource_path: Any, offload_video_to_cpu: bool = False) -> dict[str, Any]:
    """A session's state by the model of SAM 3.1, which cannot offload it."""
    return {"frames": resource_path, "offload_video": offload_video_to_cpu}


class FakeBuilder(ModuleType):
    """`sam3.model_builder`, whose image builder knows the device "cuda" alone."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__("sam3.model_builder")
        self.broken, self.built, self.current = broken, [], ["cuda:0"]
        self.options: list[dict[str, Any]] = []

    def build_sam3_image_model(self, *, device: str, **options: Any) -> Any:
        if self.broken:
            raise RuntimeError("the checkpoint cannot be read")
        self.options.append(options)
        model = SimpleNamespace(where=self.current[-1] if device == "cuda" else "cpu")

        def move(device: str) -> Any:
            model.where = device
            return model

        model.to = move
        self.built.append(model)
        return model

    def build_sam3_video_predictor(self, *, checkpoint_path: Any) -> Any:
        self.built.append(SimpleNamespace(where=self.current[-1], model=SimpleNamespace()))
        return self.built[-1]

    def build_sam3_multiplex_video_predictor(self, *, checkpoint_path: Any, **options: Any) -> Any:
        self.options.append(options)
        predictor = self.build_sam3_video_predictor(checkpoint_path=checkpoint_path)
        predictor.model.init_state = start_sam31
        return predictor


def install_builder(builder: FakeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def device(name: str) -> Iterator[None]:
        builder.current.append(name)
        yield
        builder.current.pop()

    processor = ModuleType("sam3.model.sam3_image_processor")
    processor.Sam3Processor = lambda model, device: SimpleNamespace(where=device)  # type: ignore[attr-defined]
    monkeypatch.setattr(torch.cuda, "device", device)
    for name, module in {
        "sam3": ModuleType("sam3"),
        "sam3.model": ModuleType("sam3.model"),
        "sam3.model_builder": builder,
        "sam3.model.sam3_image_processor": processor,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_every_model_is_on_the_card_that_is_named_before_the_engine_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    builder = FakeBuilder()
    install_builder(builder, monkeypatch)
    MetaConcepts(models=MetaModels(MetaSettings(), "cuda:1"))
    assert [model.where for model in builder.built] == ["cuda:1", "cuda:1"]


def test_everything_that_upstream_computes_is_on_the_card_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    concepts, entered = engine(), [0]
    places: dict[str, set[bool]] = {}

    @contextmanager
    def enter(_: MetaModels) -> Iterator[None]:
        entered[0] += 1
        yield
        entered[0] -= 1

    def watch(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def run(*given: Any, **named: Any) -> Any:
            places.setdefault(name, set()).add(entered[0] > 0)
            return function(*given, **named)

        monkeypatch.setattr(owner, name, run)

    monkeypatch.setattr(MetaModels, "on_device", enter)
    models = concepts._models
    watch(models.processor, "set_image_batch")
    for name in ("forward_grounding", "predict_inst"):
        watch(models.image, name)
    for name in ("handle_request", "_outputs"):
        watch(models.predictor, name)
    warm_up(concepts)
    run(concepts, TrackPrompts(("red",), visual_prompts=(TimedPrompt(FIRST + 3, 1, point(GREEN_AT_3)),)))
    assert len(places) == 5 and set.union(*places.values()) == {True}, places


def test_how_to_compute_reaches_the_builders_of_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = FakeBuilder()
    install_builder(builder, monkeypatch)
    chosen = MetaSettings(multiplex="m.pt", compile=True, flash_attention=True, max_objects=7)
    concepts = MetaConcepts(models=MetaModels(chosen, "cuda"))
    (image, video), plain = builder.options, FakeBuilder()
    assert image["compile"] is video["compile"] is True
    assert video["use_fa3"] is video["use_rope_real"] is True and video["max_num_objects"] == 7
    assert (concepts.info.settings["attention"], concepts.info.settings["compile"]) == ("flash", "default")
    install_builder(plain, monkeypatch)
    concepts = MetaConcepts(models=MetaModels(MetaSettings(multiplex="m.pt", flash_attention=False), "cuda"))
    (image, video) = plain.options
    assert image["compile"] is video["compile"] is video["use_fa3"] is False
    assert (concepts.info.settings["attention"], concepts.info.settings["compile"]) == ("sdpa", "off")


def test_sessions_of_sam31_start_although_its_predictor_asks_for_more_than_its_model_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As upstream's predictor calls its model; its own code: `test_sam3_meta_multiplex.py`."""
    install_builder(FakeBuilder(), monkeypatch)
    model = MetaModels(MetaSettings(multiplex="m.pt", flash_attention=False), "cuda").predictor.model
    state = model.init_state(resource_path=[1], offload_video_to_cpu=True, offload_state_to_cpu=False)
    assert state == {"frames": [1], "offload_video": True}


@pytest.mark.parametrize("installed", [True, False])
def test_flash_attention_is_used_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    asked: list[str] = []

    def find(name: str) -> object:
        asked.append(name)
        return object() if installed else None

    monkeypatch.setattr(importlib.util, "find_spec", find)
    assert MetaSettings().resolve_flash_attention() is installed and asked == ["flash_attn_interface"]
    assert MetaSettings(flash_attention=not installed).resolve_flash_attention() is not installed


def test_a_broken_checkpoint_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    install_builder(FakeBuilder(broken=True), monkeypatch)
    with pytest.raises(RuntimeError, match="cannot be read"):
        MetaConcepts(models=MetaModels(MetaSettings(), "cuda"))


def test_a_gpu_has_answered_once_before_the_worker_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    concepts, tiny, asked = engine(), tiny_engine(), []
    warm_up(concepts)
    warm_up(tiny)
    monkeypatch.setattr(backends, "_load", lambda *_: concepts)
    monkeypatch.setattr(concepts, "ground", lambda _handle, phrases: asked.append(phrases))
    backends.concepts()
    assert not asked, "a CPU need not be warmed up"
    concepts.info = replace(concepts.info, device="cuda:1")
    backends.concepts()
    assert len(asked) == 1

    def break_down(*_: Any) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(concepts, "segment", break_down)
    with pytest.raises(RuntimeError, match="no kernel image"):
        backends.concepts()
