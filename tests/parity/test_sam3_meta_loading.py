"""How Meta's package and its checkpoint are loaded, and what is missing is named."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.paths import REPOSITORY

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from workers.engines.concepts.sam3 import backends
from workers.engines.concepts.sam3.errors import Sam3Unavailable
from workers.engines.concepts.sam3.meta_backend import loading as meta_loading
from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels, MetaPackageMissing, NeedsCuda
from workers.engines.concepts.sam3.settings import BACKEND_VARIABLE, CHECKPOINT_VARIABLE, MetaSettings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.weights import WeightsCorrupt


class FakeBuilder(ModuleType):
    """`sam3.model_builder`, whose image builder knows the device "cuda" alone."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__("sam3.model_builder")
        self.broken, self.built, self.current = broken, [], ["cuda:0"]

    def build_sam3_image_model(self, *, device: str, **_: Any) -> Any:
        if self.broken:
            raise RuntimeError("the checkpoint cannot be read")
        model = SimpleNamespace(where=self.current[-1] if device == "cuda" else "cpu")

        def move(device: str) -> Any:
            model.where = device
            return model

        model.to = move
        self.built.append(model)
        return model

    def build_sam3_video_predictor(self, *, checkpoint_path: Any) -> Any:
        self.built.append(SimpleNamespace(where=self.current[-1]))
        return self.built[-1]


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


def test_a_broken_checkpoint_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    install_builder(FakeBuilder(broken=True), monkeypatch)
    with pytest.raises(RuntimeError, match="cannot be read"):
        MetaConcepts(models=MetaModels(MetaSettings(), "cuda"))


def test_the_setting_picks_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[type] = []
    monkeypatch.setattr(Sam3Concepts, "__init__", lambda self, settings: collected.append(type(self)))
    monkeypatch.setattr(MetaConcepts, "__init__", lambda self, settings: collected.append(type(self)))
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


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(2, 2)

    path = tmp_path / "sam3.pt"
    torch.save({"model": {"detector.head.weight": torch.eye(2)}}, path)
    with pytest.raises(WeightsCorrupt, match=r"head\.bias"):
        meta_loading.load_image_weights(Model(), path)
    torch.save({"detector.head.weight": torch.eye(2), "detector.head.bias": torch.ones(2)}, path)
    model = Model()
    meta_loading.load_image_weights(model, path)
    assert torch.equal(model.head.weight, torch.eye(2))
