"""The operator's commands about weights."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.engines.weights import models_dir
from workers.models_cli import app

runner = CliRunner()


def test_shipped_weights_are_listed_and_intact() -> None:
    rows = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert {"mobilesam_encoder.onnx", "anny_compact.npz"} <= {row["file"] for row in rows}
    assert all(row["licence"] and row["source"] for row in rows)
    result = runner.invoke(app, ["verify"])
    assert result.exit_code == 0 and result.stdout.count(": ok") == len(rows)


def test_a_broken_and_a_missing_file_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = json.loads((models_dir() / "manifest.json").read_text())
    kept = [row for row in manifest if row["file"] in ("imagenet_labels.txt", "anny_compact.npz")]
    (tmp_path / "manifest.json").write_text(json.dumps(kept))
    shutil.copy(models_dir() / "imagenet_labels.txt", tmp_path)
    (tmp_path / "imagenet_labels.txt").write_bytes(b"broken")
    monkeypatch.setenv("MAQUETTE_MODELS_DIR", str(tmp_path))
    result = runner.invoke(app, ["verify"])
    assert result.exit_code == 1
    assert "anny_compact.npz: " in result.output and "imagenet_labels.txt: " in result.output


def test_what_cannot_be_pulled_says_why(tmp_path: Path) -> None:
    unknown = runner.invoke(app, ["pull", "nonsense", str(tmp_path)])
    assert unknown.exit_code == 1 and "neither" in unknown.output
    (tmp_path / "wrong.zip").write_bytes(b"not the assets")
    out = tmp_path / "out"
    wrong = runner.invoke(app, ["pull", "mhr", str(out), "--source", str(tmp_path / "wrong.zip")])
    assert wrong.exit_code == 1 and "Traceback" not in wrong.output
    assert not out.exists() or not list(out.iterdir())
