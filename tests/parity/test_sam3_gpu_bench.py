"""The bench for a GPU, here on a CPU with tiny RANDOM weights, so that it works on the first try there."""

import argparse
import io
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

from bench.gpu.all import OTHERS, TITLES, add_options, run
from bench.report import Report


def make_options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_it_measures_and_writes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    words = ("--size", "tiny", "--device", "cpu", "--each", "0.05", "--only-images", "--page", str(page))
    run(make_options(*words), Report(bench="gpu.all", options={}, stream=io.StringIO()))
    parts = page.read_text(encoding="utf-8").split("\n## ")
    assert [part.splitlines()[0] for part in parts[1:]] == ["Machine", *TITLES]
    images, worker = parts[2], parts[3]
    assert "| plain transformers loop |" in images and "| 16 jobs, batches of 16 |" in images
    assert "\n| 1 | 1 |" in worker and "\n| 16 | 8 |" in worker
    assert all("**Not run:** left out" in part for part in parts[4:]) and len(parts) == 5 + len(OTHERS)


def test_without_a_gpu_it_says_why_and_leaves_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    page = tmp_path / "gpu.md"
    page.write_text("measured on a card")
    with pytest.raises(SystemExit, match="sees no GPU"):
        run(make_options("--page", str(page)), Report(bench="gpu.all", options={}, stream=io.StringIO()))
    assert page.read_text() == "measured on a card"


def test_what_would_not_end_in_time_is_not_begun(tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    words = ("--size", "tiny", "--device", "cpu", "--seconds", "20", "--each", "30", "--page", str(page))
    run(make_options(*words, "--only-images"), Report(bench="gpu.all", options={}, stream=io.StringIO()))
    assert page.read_text(encoding="utf-8").count("**Not run:** no time was left.") == 2
