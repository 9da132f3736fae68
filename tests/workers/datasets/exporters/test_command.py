"""What all exporters share: the command line, options, notes, losses, and errors that say what to do."""

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from maquette.contract.export_options import parse_export
from typer.testing import CliRunner

from tests.support.export_datasets import load_export_dataset
from tests.support.paths import REPOSITORY
from workers.datasets import commands
from workers.datasets.errors import DatasetError
from workers.datasets.exporters import EXPORTERS, load_exporter, load_exporter_class
from workers.datasets.exporters.reference import render_page
from workers.datasets.exporters.request_models import render_module
from workers.datasets.exporters.shared.action_space import ActionSpace
from workers.datasets.exporters.shared.image_transform import ImageTransform
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip

pytestmark = pytest.mark.slow

# tests of their own: it needs a heavy library
HEAVY = {"stable-worldmodel-lance"}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_export_dataset()


@pytest.fixture(scope="module")
def run() -> Any:
    app = typer.Typer()
    app.command()(commands.export)
    app.command()(commands.verify)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, ["export", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def exported(data: Dataset, run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("every")
    result = run(data.folder, "--format", ",".join(sorted(set(EXPORTERS) - HEAVY)), "--out", out)
    assert result.exit_code == 0, result.output
    return out, result.output


def test_the_command_writes_every_format(data: Dataset, exported: tuple[Path, str]) -> None:
    out, stated = exported
    assert {path.name for path in out.iterdir()} == set(EXPORTERS) - HEAVY
    for name in sorted(set(EXPORTERS) - HEAVY):
        note = json.loads((out / name / "maquette.json").read_text())
        assert note["format"] == name and note["dataset_version"] == data.version
        # losses are said where the export is made, and stay with it
        assert note["loses"] and all(loss.split()[0] in stated for loss in note["loses"])
        licences = {source["name"]: source["licence"] for source in note["sources"]}
        assert licences["room"] == "CC-BY-4.0" and licences["balls"] is None
        clips = [clip for source in note["sources"] for clip in source["clips"]]
        assert sorted(clips) == sorted(clip.id for clip in data.clips())


def test_every_file_is_counted_and_reproducible(
    data: Dataset, exported: tuple[Path, str], tmp_path: Path
) -> None:
    for name in sorted(set(EXPORTERS) - HEAVY):
        built = load_exporter(name)
        count = built.write(data, tmp_path / name)
        assert built.name == name and built.summary and built.loses
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        assert len(files) == count
        for file in files:
            before = exported[0] / file.relative_to(tmp_path)
            assert file.read_bytes() == before.read_bytes(), file.relative_to(tmp_path)


def test_what_was_left_out_is_counted_where_the_export_is_made(exported: tuple[Path, str]) -> None:
    out, stated = exported
    noted = [
        item["reason"]
        for note in out.glob("*/maquette.json")
        for item in json.loads(note.read_text())["left_out"]
    ]
    assert noted and all(" ".join(reason.split()) in " ".join(stated.split()) for reason in noted)


def test_a_movi_export_comes_back_by_the_command(
    data: Dataset, exported: tuple[Path, str], tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command("import-movi")(commands.import_movi)
    app.command()(commands.verify)
    again = tmp_path / "again"
    words = ["import-movi", str(exported[0] / "movi"), "--out", str(again)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    note = json.loads((exported[0] / "movi" / "maquette.json").read_text())
    gone = {item["clip"] for item in note["left_out"]}
    assert len(list(Dataset(again).clips())) == len(list(data.clips())) - len(gone) > 0
    assert CliRunner().invoke(app, ["verify", str(again)]).exit_code == 0
    assert "dataset_conflict" in CliRunner().invoke(app, words).output


def test_a_second_export_never_overwrites(data: Dataset, run: Any, tmp_path: Path) -> None:
    assert run(data.folder, "--format", "coco", "--out", tmp_path).exit_code == 0
    before = (tmp_path / "coco" / "train.json").stat().st_mtime_ns
    assert run(data.folder, "--format", "coco", "--out", tmp_path).exit_code != 0
    assert (tmp_path / "coco" / "train.json").stat().st_mtime_ns == before


def test_nothing_a_single_frame_and_no_track_can_be_exported(data: Dataset, tmp_path: Path) -> None:
    clip = next(clip for clip in data.clips() if clip.source.name == "room")
    tables = {name: getattr(clip, name) for name in ("captions", "concepts", "tracks")}
    for name in ("frames", "cameras", "observations"):
        tables[name] = [row for row in getattr(clip, name) if row.frame == 0]
    row = replace(clip.row, frames=1, last_frame=clip.row.first_frame, frame_rate=None)
    one = SceneClip.from_tables(row, clip.source, tables)
    # nothing was found in it
    bare = SceneClip.from_tables(row, clip.source, {name: tables[name] for name in ("frames", "cameras")})
    for kind, clips in (("none", []), ("one", [one]), ("bare", [bare])):
        publish_clips(clips, tmp_path / kind / "dataset", "test")
        for name in sorted(set(EXPORTERS) - HEAVY):
            load_exporter(name).write(Dataset(tmp_path / kind / "dataset"), tmp_path / kind / name)
            files = [path for path in (tmp_path / kind / name).rglob("*") if path.is_file()]
            note = json.loads((tmp_path / kind / name / "maquette.json").read_text())
            assert len(note["sources"]) == len(clips)
            if clips and not note["left_out"]:
                paths = [file for file in files if file.name != "maquette.json"]
                named = any(clip.id in str(file) or clip.row.split in str(file) for file in paths)
                assert named or any(clip.id.encode() in file.read_bytes() for file in paths), name
    pair = json.loads((tmp_path / "one" / "neural-assets" / "index.json").read_text())["pairs"][0]
    assert (pair["source"], pair["target"], pair["background_known"]) == (0, 0, True)


def test_an_option_nobody_has_is_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_exporter("tinyworlds").write(data, tmp_path / "out", sides=64)
    assert caught.value.code == "option_unknown" and "side" in caught.value.detail
    assert not (tmp_path / "out").exists()


def test_options_are_given_on_the_command_line(data: Dataset, run: Any, tmp_path: Path) -> None:
    result = run(
        *(data.folder, "--format", "lerobot,neural-assets", "--out", tmp_path, "--workers", 2),
        *(
            "--option",
            "lerobot.side=32",
            "--option",
            "lerobot.fit=pad",
            "--option",
            "neural-assets.edits=false",
        ),
    )
    assert result.exit_code == 0, result.output
    info = json.loads((tmp_path / "lerobot" / "meta" / "info.json").read_text())
    assert info["features"]["observation.images.main"]["shape"] == [32, 32, 3]
    note = json.loads((tmp_path / "lerobot" / "maquette.json").read_text())
    assert note["options"] == {"side": 32, "fit": "pad", "actions": "auto", "other_rates": "refuse"}
    pairs = json.loads((tmp_path / "neural-assets" / "index.json").read_text())["pairs"]
    assert pairs and all(pair["edit"] is None for pair in pairs)
    # the name of the only format may be left out
    assert run(data.folder, "--format", "vpt", "--out", tmp_path, "--option", "x=1").exit_code == 1


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("lerobot.side=big", "option_invalid"),
        ("lerobot.fit=stretch", "option_invalid"),
        ("lerobot.sides=3", "option_unknown"),
        ("coco.side=3", "option_unknown"),
        ("side", "option_unknown"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    data: Dataset, run: Any, tmp_path: Path, option: str, code: str
) -> None:
    result = run(data.folder, "--format", "lerobot,vpt", "--out", tmp_path / "out", "--option", option)
    assert result.exit_code == 1 and code in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "library"),
    [("stable-worldmodel", "h5py"), ("tinyworlds", "h5py"), ("stable-worldmodel-lance", "lance")],
)
def test_a_missing_library_is_named_with_its_extra(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    def absent(wanted: str) -> Any:
        if wanted == library:
            raise ImportError(wanted)
        return import_module(wanted)

    monkeypatch.setattr("workers.datasets.exporters.base.import_module", absent)
    with pytest.raises(DatasetError) as caught:
        load_exporter(name).write(data, tmp_path / "out")
    assert caught.value.code == "extra_missing"
    assert library in caught.value.detail and "maquette-server[export]" in caught.value.detail


def test_requests_have_the_options_of_every_format() -> None:
    module = "clients/python/maquette/contract/exports.py"
    assert (REPOSITORY / module).read_text() == render_module(), (
        f"run: python -m workers.datasets.exporters.request_models {module}"
    )
    for name in EXPORTERS:
        declared = {option.name: option.default for option in load_exporter_class(name).list_options()}
        assert parse_export(name, {}).model_dump(exclude={"format"}) == declared


def test_the_documentation_has_every_format() -> None:
    text = (REPOSITORY / "docs" / "reference" / "exporters.md").read_text()
    assert text == render_page(), (
        "run: python -m workers.datasets.exporters.reference docs/reference/exporters.md"
    )
    assert set(re.findall(r"^\| \[`([a-z0-9-]+)`\]", text, re.MULTILINE)) == set(EXPORTERS)


@pytest.mark.parametrize("name", sorted(EXPORTERS))
def test_an_exporter_declares_what_it_is(name: str) -> None:
    declared = load_exporter_class(name)
    assert declared.name == name and declared.summary and declared.loses and declared.__doc__
    assert all(option.description and option.type for option in declared.list_options())


@pytest.mark.parametrize("size", [(90, 160), (160, 90), (100, 100), (37, 53)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_frames_masks_and_pixels_move_together(size: tuple[int, int], fit: Any) -> None:
    transform = ImageTransform.fit(size, (80, 80), fit)
    rows, columns = size[0] // 2, size[1] // 2
    mask = np.zeros(size, np.bool_)
    mask[rows - 12 : rows + 12, columns - 9 : columns + 15] = True
    image = np.where(mask[..., None], np.uint8(255), np.uint8(0)).repeat(3, axis=2)
    seen, moved = transform.transform_image(image), transform.transform_mask(mask)
    assert seen.shape == (80, 80, 3) and moved.shape == (80, 80)
    corner = transform.matrix @ [columns - 9, rows - 12, 1]
    end = transform.matrix @ [columns + 15, rows + 12, 1]
    actual = np.nonzero(moved)
    stated = [actual[1].min(), actual[0].min(), actual[1].max() + 1, actual[0].max() + 1]
    assert np.abs(np.array(stated) - [*corner[:2], *end[:2]]).max() <= 0.75
    inside = np.zeros((80, 80), bool)
    u0, v0, u1, v1 = transform.inside
    inside[v0:v1, u0:u1] = True
    bright = (seen[..., 0] > 200) & inside
    assert (bright & moved).sum() > 0.8 * moved.sum() and (bright & ~moved).sum() < 0.05 * moved.sum()
    assert (seen[~inside] == 128).all() and not moved[~inside].any()
    assert inside.mean() == pytest.approx(1 if fit == "crop" else min(size) / max(size), abs=0.05)


def test_recorded_actions_go_before_ego_motion(data: Dataset) -> None:
    rooms = [clip for clip in data.clips() if clip.source.name == "room"]
    game = [clip for clip in data.clips() if clip.source.name == "game"]
    everything = ActionSpace.choose(data.clips())
    assert everything is not None and everything.kind == "recorded"
    only = ActionSpace.choose(rooms)
    assert (
        only is not None and only.kind == "ego_motion" and only.names == ("tx", "ty", "tz", "rx", "ry", "rz")
    )
    matrix = only.matrix(rooms[0])
    assert np.isfinite(matrix[:-1]).all() and np.isnan(matrix[-1]).all()
    # its camera stands still: known to be zero
    assert (only.matrix(game[0])[:-1] == 0).all()
    assert np.isnan(everything.matrix(rooms[0])).all()
    assert ActionSpace.choose(clip for clip in data.clips() if clip.source.name == "balls") is None
