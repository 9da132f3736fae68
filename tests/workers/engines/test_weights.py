"""Weights are used only when their bytes are the ones that the manifest names."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.support.network_memo import RealSession
from tests.support.paths import MODELS
from workers.engines.onnx_graphs import keep_outputs
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


def test_outputs_that_are_not_read_are_not_computed_and_the_others_stay_bit_equal() -> None:
    """The mask of BlazePose is two fifths of its work, and nobody reads it where masks are given."""
    name, kept = "blazepose_landmark_full.onnx", ["landmarks", "presence", "heatmap", "world"]
    whole, part = open_session(name, 1), open_session(name, 1, outputs=kept)
    image = {"image": np.random.default_rng(0).random((1, 256, 256, 3), np.float32)}
    assert [output.name for output in part.get_outputs()] == kept
    for expected, found in zip(whole.run(kept, image), part.run(kept, image), strict=True):
        assert np.array_equal(expected, found)


def test_nodes_that_no_kept_output_needs_do_not_run(tmp_path: Path) -> None:
    model = (MODELS / "blazepose_landmark_full.onnx").read_bytes()
    part = keep_outputs(model, ["landmarks"])
    assert _count_run_nodes(part, tmp_path) < _count_run_nodes(model, tmp_path)
    assert keep_outputs(model, ["landmarks", "presence", "mask", "heatmap", "world"]) == model


def _count_run_nodes(model: bytes, folder: Path) -> int:
    """How many nodes ONNX Runtime runs, by its own profile."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.log_severity_level = True, 3
    options.profile_file_prefix = str(folder / "profile")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = RealSession(model, options, providers=["CPUExecutionProvider"])
    session.run(None, {"image": np.zeros((1, 256, 256, 3), np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return sum(event.get("cat") == "Node" for event in events)


def test_an_output_that_the_graph_does_not_have_is_an_error() -> None:
    with pytest.raises(WeightsCorrupt, match=r"no output 'masks'"):
        open_session("blazepose_landmark_full.onnx", outputs=["masks"])


@pytest.mark.parametrize("model", [b"", b"not a graph", b"\x3a\x05\x0a", b"\xff" * 20])
def test_bytes_that_are_no_model_keep_no_outputs(model: bytes) -> None:
    with pytest.raises(ValueError, match=r"ONNX model|protocol buffer"):
        keep_outputs(model, ["landmarks"])
