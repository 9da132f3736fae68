"""Other bounds over a finished dataset give what a run with these bounds gives, without the videos."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from maquette.contract.datasets import Bounds
from maquette.dataset_plan import read_plan

from tests.support.synthetic_datasets import SETTINGS, balls_source, make_dataset
from workers.datasets import commands
from workers.datasets.errors import DatasetError
from workers.datasets.gates.policy import DEFAULT, Bound
from workers.datasets.reader import Dataset
from workers.datasets.regating.bounds import read_bounds
from workers.datasets.regating.versions import regate
from workers.datasets.schema import TABLES
from workers.datasets.verification import verify

pytestmark = pytest.mark.slow

# balls are 500 to 900 pixels large
STRICT: dict[str, Bound] = {"area": (800.0, None), "caption_alignment": (0.9, None)}
LENIENT: dict[str, Bound] = {"area": (64.0, None), "caption_alignment": (0.5, None)}


def build(folder: Path, bounds: dict[str, Bound]) -> Dataset:
    sources = [balls_source(1, name="balls"), balls_source(2, count=3, name="more balls")]
    return make_dataset(folder, sources, replace(SETTINGS, policy=DEFAULT.with_bounds(bounds)))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build(tmp_path_factory.mktemp("strict"), STRICT)


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build(tmp_path_factory.mktemp("lenient"), LENIENT)


def list_rows(data: Dataset) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of every table, but for the names of policies and the keys that follow from them."""
    for name in TABLES:
        if name == "lineage":
            continue
        rows = [{**asdict(row), "policy": None} for row in data.rows(name)]
        yield name, sorted(rows, key=repr)


def test_regating_gives_what_a_run_with_these_bounds_gives(
    strict: Dataset, lenient: Dataset, tmp_path: Path
) -> None:
    for name, data, bounds, wanted in (
        ("in", strict, LENIENT, lenient),
        ("out", lenient, STRICT, strict),
    ):
        version, changes = regate(data, bounds, tmp_path / name)
        actual = Dataset(tmp_path / name)
        assert verify(actual.folder) == [] and actual.version == version.manifest.version
        assert dict(list_rows(actual)) == dict(list_rows(wanted))
        assert {**actual.manifest.totals, "bytes": 0} == {**wanted.manifest.totals, "bytes": 0}
        assert actual.manifest.rejected == wanted.manifest.rejected
        assert actual.manifest.parents == (data.version,)
        moved = changes.tracks_added if name == "in" else changes.tracks_removed
        assert len(moved) == abs(actual.manifest.totals["tracks"] - data.manifest.totals["tracks"]) > 2
        assert all("area" in item.gates for item in moved)
        assert not changes.tracks_unavailable


def test_the_same_bounds_change_nothing(lenient: Dataset, tmp_path: Path) -> None:
    _, changes = regate(lenient, LENIENT, tmp_path / "same")
    actual = Dataset(tmp_path / "same")
    assert dict(list_rows(actual)) == dict(list_rows(lenient))
    assert not changes.tracks_added and not changes.tracks_removed and not changes.clips_removed
    keys = {row.stage: row.key for row in actual.rows("lineage")}
    assert keys.keys() == {row.stage for row in lenient.rows("lineage")}


def test_clips_go_and_those_without_frames_are_named(lenient: Dataset, tmp_path: Path) -> None:
    scores = {row.clip: row.value for row in lenient.rows("scores") if row.name == "sharpness"}
    bound = sorted(scores.values())[len(scores) // 2]
    _, changes = regate(lenient, {"sharpness": (bound, None)}, tmp_path / "sharp")
    sharp = Dataset(tmp_path / "sharp")
    assert verify(sharp.folder) == []
    blurred = {clip for clip, value in scores.items() if value < bound}
    assert blurred and changes.clips_removed == dict.fromkeys(blurred, ("sharpness",))
    assert {row.clip for row in sharp.clip_rows if not row.kept} == blurred
    assert not {row.clip for row in sharp.rows("tracks")} & blurred
    # what was left out has no frames any more
    _, changes = regate(sharp, {"sharpness": (None, None)}, tmp_path / "again")
    assert set(changes.clips_unavailable) == blurred and len(Dataset(tmp_path / "again")) == len(sharp)


def test_the_command_shows_what_came_and_went(
    strict: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('text = ["ball"]\n[gates.area]\nlow = 64\n[input]\nvideos = ["a.mp4"]\n')
    commands.regate(strict.folder, tmp_path / "new", ["caption_alignment.low=0.5"], plan)
    printed = capsys.readouterr().out
    assert "in: track" in printed and "rejected before by area" in printed
    assert Dataset(tmp_path / "new").manifest.policy.startswith(strict.manifest.policy + "+")
    # the folder has no plan, so neither has the new one
    assert not (tmp_path / "new" / "plan.toml").exists()


def test_the_plan_of_a_folder_is_continued(strict: Dataset, tmp_path: Path) -> None:
    folder = shutil.copytree(strict.folder, tmp_path / "old")
    (folder / "plan.toml").write_text(
        'text = "ball"\n[input]\nvideos = "a.mp4"\n[output]\nfolder = "."\nformats = ["coco"]\n'
    )
    commands.regate(folder, tmp_path / "new", ["area.low=64", "area.high=none"])
    plan = read_plan(tmp_path / "new" / "plan.toml")
    assert plan.input.videos == [str(folder / "a.mp4")]
    assert plan.output.folder == tmp_path / "new" and plan.output.formats == ["coco"]
    [step] = plan.regates
    assert step.gates == {"area": Bounds(low=64)}
    commands.regate(tmp_path / "new", tmp_path / "newer", ["flicker.high=0.2"])
    assert [set(step.gates) for step in read_plan(tmp_path / "newer" / "plan.toml").regates] == [
        {"area"},
        {"flicker"},
    ]


def test_bounds_of_the_command_line() -> None:
    assert read_bounds(["flicker.high=0.2", "area.low=10", "area.high=none"], None) == {
        "flicker": (None, 0.2),
        "area": (10.0, None),
    }
    with pytest.raises(DatasetError, match="give --gate"):
        read_bounds([], None)
    with pytest.raises(DatasetError, match=r"area: 'low' \(2\) is above 'high' \(1\)"):
        read_bounds(["flicker.high=0.2", "area.low=2", "area.high=1"], None)
    for text in ("flicker", "flicker.high=x", "smell.low=1", "area.middle=2"):
        with pytest.raises(DatasetError) as caught:
            read_bounds([text], None)
        assert caught.value.code == "option_unknown"


def test_gates_without_scores_and_folders_in_use_are_refused(strict: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        regate(strict, {"smell": (0.0, None)}, tmp_path / "a")
    assert caught.value.code == "option_unknown"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("x")
    with pytest.raises(DatasetError) as caught:
        regate(strict, LENIENT, tmp_path / "b")
    assert caught.value.code == "dataset_conflict"
