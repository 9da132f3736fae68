"""Weights are used only when their bytes are the ones that the manifest names."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.paths import MODELS
from workers.engines.settings import MODELS_VARIABLE
from workers.engines.weights import (
    WeightsCorrupt,
    WeightsMissing,
    find_weight,
    load_manifest,
    models_dir,
    open_session,
)


def _models(folder: Path, content: bytes, named: bytes | None = None) -> None:
    entry = {
        "file": "a.onnx",
        "sha256": hashlib.sha256(content if named is None else named).hexdigest(),
        "bytes": len(content),
        "source": "s",
        "source_sha256": "0" * 64,
        "licence": "Apache-2.0",
        "script": "scripts/models/make_a.py",
    }
    (folder / "manifest.json").write_text(json.dumps([entry]))
    (folder / "a.onnx").write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    return tmp_path


def test_shipped_weights_match_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    assert models_dir() == MODELS
    entries = json.loads((MODELS / "manifest.json").read_text())
    names = [entry["file"] for entry in entries]
    assert names == sorted(names)
    assert {"mobilesam_encoder.onnx", "mobilesam_decoder.onnx", "picodet_coco.onnx"} <= set(names)
    for name, entry in load_manifest().items():
        path = find_weight(name)
        assert path.stat().st_size == entry.bytes < 30 * 2**20
        assert (MODELS.parent / entry.script).is_file()


def test_an_intact_file_is_returned(folder: Path) -> None:
    _models(folder, b"weights")
    assert find_weight("a.onnx") == folder / "a.onnx"


def test_changed_bytes_are_refused_even_after_a_successful_check(folder: Path) -> None:
    _models(folder, b"weights")
    find_weight("a.onnx")
    (folder / "a.onnx").write_bytes(b"weights, changed")
    with pytest.raises(WeightsCorrupt, match=r"a\.onnx.*make_a\.py"):
        find_weight("a.onnx")


def test_a_missing_file_names_the_script(folder: Path) -> None:
    _models(folder, b"weights")
    (folder / "a.onnx").unlink()
    with pytest.raises(WeightsMissing, match=r"make_a\.py"):
        find_weight("a.onnx")


def test_an_unlisted_file_is_missing(folder: Path) -> None:
    _models(folder, b"weights")
    (folder / "b.onnx").write_bytes(b"weights")
    with pytest.raises(WeightsMissing, match=r"b\.onnx"):
        find_weight("b.onnx")


def test_a_missing_manifest_names_the_setting(folder: Path) -> None:
    with pytest.raises(WeightsMissing, match=MODELS_VARIABLE):
        load_manifest()


@pytest.mark.parametrize("text", ["{", "[1]", '[{"file": "a"}]'])
def test_a_broken_manifest_is_corrupt(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(WeightsCorrupt, match=r"manifest\.json"):
        load_manifest()


def test_bytes_that_are_not_a_graph_are_corrupt(folder: Path) -> None:
    _models(folder, b"not a graph")
    with pytest.raises(WeightsCorrupt, match="ONNX Runtime"):
        open_session("a.onnx")
