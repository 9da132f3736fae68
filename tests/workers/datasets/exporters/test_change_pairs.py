"""Pairs with what changed, in the exports of Neural Assets and Hugging Face, read by their own readers."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from maquette.data import Pairs
from PIL import Image

from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset, movi_source, rendered_clip
from workers.datasets.exporters.hugging_face import HuggingFace
from workers.datasets.exporters.neural_assets.exporter import NeuralAssets
from workers.datasets.reader import Dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    sources = [movi_source(rendered_clip(0), name="room"), balls_source(1, name="balls")]
    return make_dataset(tmp_path_factory.mktemp("changes"), sources, replace(SETTINGS, changes=4))


def group_pairs(data: Dataset) -> dict[tuple[str, int, int], list[Any]]:
    pairs: dict[tuple[str, int, int], list[Any]] = {}
    for row in data.rows("changes"):
        pairs.setdefault((row.clip, row.frame, row.other_frame), []).append(row)
    return pairs


def test_hugging_face_has_a_row_per_pair_with_both_images(data: Dataset, tmp_path: Path) -> None:
    HuggingFace().write(data, tmp_path)
    assert "config_name: changes" in (tmp_path / "README.md").read_text()
    rows = [
        row for path in sorted((tmp_path / "changes").iterdir()) for row in pq.read_table(path).to_pylist()
    ]
    expected = group_pairs(data)
    assert {(row["clip"], row["frame"], row["other_frame"]) for row in rows} == set(expected)
    for row in rows:
        clip = data.clip(row["clip"])
        changes = expected[row["clip"], row["frame"], row["other_frame"]]
        for name, frame in (("source_image", row["frame"]), ("target_image", row["other_frame"])):
            with Image.open(io.BytesIO(row[name]["bytes"])) as image:
                assert np.array_equal(np.asarray(image), clip.image(frame))
        assert row["tracks"] == [item.track for item in changes] and row["edit"] is None
        assert row["moved"] == [item.moved for item in changes]
        steps = [None if item.translation is None else list(item.translation) for item in changes]
        assert row["translations"] == steps
        assert all(item.text in row["text"] for item in changes if item.moved)
        assert all(item.text not in row["text"] for item in changes if " stays " in item.text)


def test_neural_assets_has_the_same_pairs(data: Dataset, tmp_path: Path) -> None:
    NeuralAssets().write(data, tmp_path, pairs=2)
    listed = list(Pairs(tmp_path, unknown_cameras=True, as_tensors=False).entries)
    marked = [entry for entry in listed if entry["changes"] is not None]
    assert len(listed) > len(marked) > 0
    expected = group_pairs(data)
    for entry in marked:
        rows = expected[entry["clip"], entry["source"], entry["target"]]
        assert [item["text"] for item in entry["changes"]] == [row.text for row in rows]
        with np.load(tmp_path / entry["file"]) as arrays:
            assert arrays["tgt_image"].shape == (256, 256, 3)
            assert set(arrays["tracks"].tolist()) <= {row.track for row in rows}
    rooms = {key for key in expected if data.clip(key[0]).source.name == "room"}
    assert {(entry["clip"], entry["source"], entry["target"]) for entry in marked} == rooms


def test_datasets_without_changes_and_the_option_off_export_none(data: Dataset, tmp_path: Path) -> None:
    HuggingFace().write(data, tmp_path / "hf", changes=False)
    assert not (tmp_path / "hf/changes").exists() and "changes" not in (tmp_path / "hf/README.md").read_text()
    NeuralAssets().write(data, tmp_path / "assets", changes=False, pairs=2, edits=False)
    index = json.loads((tmp_path / "assets/index.json").read_text())["pairs"]
    assert index and all(entry["changes"] is None for entry in index)
