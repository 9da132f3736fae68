"""Rendered pairs: twins that differ in what their truth says, and in nothing else."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from maquette.contract.datasets import Review
from maquette.data import Pairs

from scripts.draw_scenes import edits, surprises
from scripts.drawn_scenes.twins import EDITS, SURPRISES
from workers.datasets.exporters.hugging_face import HuggingFace
from workers.datasets.exporters.neural_assets.exporter import NeuralAssets
from workers.datasets.reader import Dataset
from workers.datasets.regating.versions import regate
from workers.datasets.verification import verify

pytestmark = pytest.mark.slow
SIDE, FRAMES = 80, 12


@pytest.fixture(scope="module")
def surprising(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "surprises"
    surprises(folder, pairs=3, seed=1, side=SIDE, frames=FRAMES)
    return folder


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "edits"
    edits(folder, pairs=5, seed=1, side=SIDE, frames=FRAMES)
    return folder


def test_surprises_begin_at_their_frame_and_touch_one_object(surprising: Path) -> None:
    data = Dataset(surprising)
    assert verify(surprising) == []
    truth = json.loads((surprising / "surprises.json").read_text())
    assert truth["dataset_version"] == data.version
    assert {pair["kind"] for pair in truth["pairs"]} == set(SURPRISES)
    for pair in truth["pairs"]:
        one, other = data.clip(pair["possible"]), data.clip(pair["impossible"])
        assert one.row.session == other.row.session and one.row.split == other.row.split == "test"
        first = [row.jpeg_sha256 for row in one.frames]
        second = [row.jpeg_sha256 for row in other.frames]
        assert first[: pair["frame"]] == second[: pair["frame"]]
        assert first[pair["frame"]] != second[pair["frame"]]
        assert pair["seconds"] == pytest.approx(float(one.timestamps()[pair["frame"]]), abs=1e-5)
        masks = [clip.masks(pair["frame"]).get(pair["track"]) for clip in (one, other)]
        assert masks[0] is not None and (masks[1] is None) == (pair["kind"] == "remove")
        places = [clip.masks(pair["frame"] - 1)[pair["track"]] for clip in (one, other)]
        assert np.array_equal(places[0], places[1])
        if pair["kind"] == "recolour":
            assert np.array_equal(masks[0], masks[1])
        if pair["kind"] == "teleport":
            assert masks[1] is not None and not (masks[0] & masks[1]).any()


def test_the_changes_of_twins_say_what_was_done(surprising: Path, edited: Path) -> None:
    words = {
        "teleport": " moves ",
        "recolour": "has another colour",
        "remove": "is no longer seen",
        "move": " moves 0.50 m ",
        "turn": "turns by 45 degrees",
        "resize": "becomes smaller by a factor of 0.70",
        "replace": "is replaced by",
    }
    seen = set()
    for folder in (surprising, edited):
        for row in Dataset(folder).rows("changes"):
            assert row.clip != row.other_clip and row.frame == row.other_frame and row.edit is not None
            if row.edit != "none":
                assert words[row.edit] in row.text
                seen.add(row.edit)
            elif row.presence == "both":
                assert not row.moved and not row.turned and not row.resized
    assert seen == {*SURPRISES, *EDITS}


def test_hugging_face_says_what_a_surprise_is(surprising: Path, tmp_path: Path) -> None:
    HuggingFace().write(Dataset(surprising), tmp_path)
    rows = [row for path in (tmp_path / "changes").iterdir() for row in pq.read_table(path).to_pylist()]
    said = {"teleport": "moves", "recolour": "has another colour", "remove": "is no longer seen"}
    assert {row["edit"] for row in rows} == set(said)
    assert all(said[row["edit"]] in row["text"] for row in rows)


def test_neural_assets_has_the_target_images_of_edits(edited: Path, tmp_path: Path) -> None:
    data = Dataset(edited)
    assert verify(edited) == []
    NeuralAssets().write(data, tmp_path, side=SIDE, pairs=1)
    pairs = Pairs(tmp_path, edits="only", as_tensors=False)
    rendered = {}
    for number, entry in enumerate(pairs.entries):
        sample = pairs[number]
        assert ("tgt_image" in sample) == bool(entry["edit"].get("rendered"))
        if "tgt_image" not in sample:
            continue
        other = next(row.other_clip for row in data.clip(entry["clip"]).changes)
        target = data.clip(other).image(entry["target"])
        assert np.array_equal((sample["tgt_image"] * 255).round(), target)
        rendered[entry["edit"]["operation"]] = entry
    assert set(rendered) == {"move", "rotate", "resize"}


def test_no_change_leads_to_what_a_review_rejected(edited: Path, tmp_path: Path) -> None:
    data = Dataset(edited)
    links = {(row.clip, row.other_clip): row for row in data.rows("changes") if row.other_track is not None}
    gone = next(iter(links))[1]
    (left, right), *_ = [pair for pair in links if gone not in pair]
    track = links[left, right].other_track
    by = {"verdict": "reject", "reviewer": "me", "at": datetime(2026, 1, 2, tzinfo=UTC)}
    reviews = [
        Review.model_validate({"clip": gone, **by}),
        Review.model_validate({"clip": right, "track": track, **by}),
    ]
    regate(data, {}, tmp_path / "decided", reviews=reviews)
    assert verify(tmp_path / "decided") == []
    decided = Dataset(tmp_path / "decided")
    rows = list(decided.rows("changes"))
    assert rows and all(gone not in (row.clip, row.other_clip) for row in rows)
    assert all((row.other_clip, row.other_track) != (right, track) for row in rows)


def test_the_same_seed_gives_the_same_version(surprising: Path, tmp_path: Path) -> None:
    surprises(tmp_path / "one", pairs=1, seed=1, side=SIDE, frames=FRAMES)
    surprises(tmp_path / "other", pairs=1, seed=2, side=SIDE, frames=FRAMES)
    first, again, other = (Dataset(folder) for folder in (surprising, tmp_path / "one", tmp_path / "other"))
    assert {row.clip for row in again.clip_rows} < {row.clip for row in first.clip_rows}
    assert not {row.clip for row in other.clip_rows} & {row.clip for row in first.clip_rows}
