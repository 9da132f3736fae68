"""A dataset folder: what is broken is found, versions compare and join, and what commands print."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tests.support.synthetic_datasets import (
    SETTINGS,
    balls_source,
    make_dataset,
    make_source,
    movi_source,
    rendered_clip,
)
from workers.datasets import commands, manifest, parquet
from workers.datasets.append import append
from workers.datasets.diff import diff
from workers.datasets.errors import DatasetError
from workers.datasets.manifest import describe_file
from workers.datasets.reader import Dataset
from workers.datasets.schema import TABLES
from workers.datasets.verification import verify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def copy(sound: Dataset, tmp_path: Path) -> Dataset:
    shutil.copytree(sound.folder, tmp_path / "copy")
    return Dataset(tmp_path / "copy")


def rewrite(data: Dataset, table: str, change: Callable[[list], list]) -> None:  # type: ignore[type-arg]
    """Change the rows of a table's largest file, and the manifest with it: every hash is right again."""
    file = max(data.manifest.tables[table], key=lambda file: file.bytes)
    rows = change(data.read_file(table, file))
    content = parquet.write(TABLES[table].row, rows)
    (data.folder / file.name).write_bytes(content)
    stated = describe_file(file.name, content, rows=len(rows), clip=file.clip)
    files = tuple(stated if item is file else item for item in data.manifest.tables[table])
    changed = replace(data.manifest, tables={**data.manifest.tables, table: files})
    (data.folder / manifest.MANIFEST).write_bytes(changed.encode())


def codes(data: Dataset) -> set[str]:
    return {item.code for item in verify(data.folder)}


def test_a_sound_dataset_has_no_findings(sound: Dataset) -> None:
    assert verify(sound.folder) == []


def first(change: Callable[[object], object]) -> Callable[[list], list]:  # type: ignore[type-arg]
    return lambda rows: [change(rows[0]), *rows[1:]]


BREAKS: dict[str, tuple[str, Callable[[list], list], str]] = {  # type: ignore[type-arg]
    "a row is gone": ("frames", lambda rows: rows[:-1], "frame_missing"),
    "a row is twice": ("observations", lambda rows: [rows[0], *rows], "key_twice"),
    "a mask leaves its box": ("observations", first(lambda r: replace(r, x1=r.x1 - 3)), "mask_outside_box"),
    "a box leaves the frame": ("observations", first(lambda r: replace(r, x1=9e3)), "box_outside_frame"),
    "an area is wrong": ("observations", first(lambda r: replace(r, area=r.area + 1)), "mask_broken"),
    "a mask has another size": (
        "observations",
        first(lambda r: replace(r, mask_width=r.mask_width + 1)),
        "mask_broken",
    ),
    "a track is unknown": ("observations", first(lambda r: replace(r, track=99)), "reference_broken"),
    "a box is elsewhere in the world": (
        "observations",
        first(lambda r: replace(r, center_world=(9.0, 9.0, 9.0))),
        "pose_broken",
    ),
    "a quaternion is none": (
        "observations",
        first(lambda r: replace(r, rotation_cam=(2.0, 0.0, 0.0, 0.0))),
        "pose_broken",
    ),
    "a camera mirrors": (
        "cameras",
        first(lambda r: replace(r, world_from_cam=tuple(-v for v in r.world_from_cam))),
        "pose_broken",
    ),
    "a picture is none": ("frames", first(lambda r: replace(r, jpeg=b"nonsense")), "picture_broken"),
    "times go back": ("frames", first(lambda r: replace(r, pts=10**9)), "frame_missing"),
    "a rejected track is kept": (
        "tracks",
        lambda rows: [replace(row, kept=True, failed=("area",)) for row in rows],
        "decision_contradicted",
    ),
    "a source is missing": ("sources", lambda rows: rows[1:], "reference_broken"),
    "a split leaks": (
        "clips",
        first(lambda r: replace(r, split="test" if r.split != "test" else "train")),
        "split_leak",
    ),
    "an action is of no frame": ("actions", first(lambda r: replace(r, frame=500)), "reference_broken"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken_is_found_though_every_hash_is_right(copy: Dataset, what: str) -> None:
    table, change, code = BREAKS[what]
    rewrite(copy, table, change)
    assert code in codes(copy)


def test_files_that_are_missing_changed_or_new_are_found(copy: Dataset) -> None:
    file = copy.folder / copy.manifest.tables["frames"][0].name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    assert codes(copy) == {"file_changed"}
    file.unlink()
    assert codes(copy) == {"file_missing"}


def test_an_unlisted_shard_is_found(copy: Dataset) -> None:
    (copy.folder / "frames-ffff.parquet").write_bytes(b"")
    assert codes(copy) == {"file_unlisted"}


def test_a_signature_is_asked_for_where_a_key_is_given(copy: Dataset) -> None:
    assert {item.code for item in verify(copy.folder, key="k")} == {"unsigned"}
    data = (copy.folder / manifest.MANIFEST).read_bytes()
    (copy.folder / manifest.SIGNATURE).write_bytes(manifest.sign(data, "k"))
    assert verify(copy.folder, key="k") == []
    assert {item.code for item in verify(copy.folder, key="other")} == {"unsigned"}


def test_names_in_a_manifest_cannot_reach_out_of_the_folder(copy: Dataset, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    evil = describe_file("../secret", b"x")
    changed = replace(copy.manifest, files=(evil,))
    (copy.folder / manifest.MANIFEST).write_bytes(changed.encode())
    assert "file_missing" in codes(copy)


def test_joined_parts_are_sound_and_hold_both(sound: Dataset, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "b", [balls_source(1, session="b"), balls_source(5, session="c")])
    written = append(sound, other, tmp_path / "c", key="k")
    joined = Dataset(tmp_path / "c")
    assert verify(joined.folder, key="k") == []
    assert joined.manifest.parents == (sound.version, other.version)
    assert {row.clip for row in joined.clip_rows} == {
        row.clip for part in (sound, other) for row in part.clip_rows
    }
    assert written.manifest.totals["sources"] == 4
    actual = diff(sound, joined)
    assert len(actual.added) == 2 and not actual.removed and not actual.changed
    assert actual.totals["sources"] == (3, 4)
    shard = joined.manifest.tables["frames"][0].name
    assert (joined.folder / shard).read_bytes()
    with pytest.raises(FileExistsError):
        append(sound, other, tmp_path / "c")


def test_what_was_held_out_stays_held_out_when_parts_hang_together(tmp_path: Path) -> None:
    everything = {name: {"train": 0.0, "val": 0.0, "test": 0.0, name: 1.0} for name in ("train", "test")}
    one = make_dataset(
        tmp_path / "a", [balls_source(1, session="s")], replace(SETTINGS, shares=everything["test"])
    )
    two = make_dataset(
        tmp_path / "b", [balls_source(2, session="s")], replace(SETTINGS, shares=everything["train"])
    )
    append(two, one, tmp_path / "c")
    joined = Dataset(tmp_path / "c")
    assert {row.split for row in joined.clip_rows} == {"test"}
    assert verify(joined.folder) == []
    moved = diff(two, joined).moved
    assert moved and all((old, new) == ("train", "test") for _, old, new in moved)


def test_one_clip_made_in_two_ways_cannot_be_joined(tmp_path: Path) -> None:
    one = make_dataset(tmp_path / "a", [balls_source(1)])
    two = make_dataset(tmp_path / "b", [balls_source(1)], replace(SETTINGS, crops=1))
    with pytest.raises(DatasetError) as caught:
        append(one, two, tmp_path / "c")
    assert caught.value.code == "dataset_conflict" and not (tmp_path / "c").exists()
    assert diff(one, two).changed and "crops" in diff(one, two).settings


def test_documents_describe_the_version(sound: Dataset) -> None:
    card = (sound.folder / "README.md").read_text()
    assert sound.version in card and "CC-BY-4.0" in card and "unknown" in card
    takedown = json.loads((sound.folder / "takedown.json").read_text())
    for source, stated in takedown["sources"].items():
        mine = {row.clip for row in sound.clip_rows if row.source == source}
        assert set(stated["clips"]) == mine
        named = {f.name for f in sound.manifest.all_files() if f.clip in mine}
        assert set(stated["files"]) == named
    linked = json.loads((sound.folder / "croissant.json").read_text())
    files = {item["@id"]: item for item in linked["distribution"] if item["@type"] == "cr:FileObject"}
    assert all(files[file.name]["sha256"] == file.sha256 for file in sound.manifest.all_files())
    assert {item["name"] for item in linked["recordSet"]} == {
        name for name, listed in sound.manifest.tables.items() if listed
    }
    report = (sound.folder / "report.html").read_text()
    assert sound.version in report and "<svg" in report and "data:image/png;base64," in report
    assert "http://" not in report and "https://" not in report


def test_the_card_agrees_with_itself_when_videos_and_captions_were_rejected(tmp_path: Path) -> None:
    dark = make_source([np.full((120, 160, 3), 2, np.uint8)] * 24, name="dark")
    data = make_dataset(tmp_path, [balls_source(1, name="balls"), dark])
    card = " ".join((data.folder / "README.md").read_text().split())
    assert " of 1 of the 2 videos below; " in card
    splits = re.search(r"Clips per split: train (\d+), val (\d+), test (\d+)", card)
    assert splits is not None and sum(map(int, splits.groups())) == data.manifest.totals["clips"]
    kept = sum(row.kept is not False for row in data.rows("captions"))
    assert f"Captions that were kept: composed {kept};" in card
    assert "known to share a session" in card and "where nothing else connects them" in card


def test_the_report_names_the_gate_that_rejected_each_clip_and_track(tmp_path: Path) -> None:
    dark = make_source([np.full((120, 160, 3), 2, np.uint8)] * 24, name="dark")
    data = make_dataset(tmp_path, [balls_source(1, name="balls"), dark])
    failed = [row for row in data.rows("decisions") if not row.passed]
    assert failed
    report = (data.folder / "report.html").read_text()
    rejected = report[report.index("<h2>Rejected") : report.index("<h2>Concepts")]
    assert rejected.count("<code>") == len(failed)
    for row in failed:
        track = "" if row.track is None else row.track
        found = next(
            line
            for line in rejected.split("<tr>")
            if f"<code>{row.clip[:8]}</code><td class=n>{track}<td>" in line and f"<td>{row.gate}<" in line
        )
        if row.score is not None:
            assert f"{row.score:.3g}" in found and ("≥" in found or "≤" in found)


def test_names_from_submitters_cannot_break_the_report(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>|x"
    data = make_dataset(tmp_path, [balls_source(1, name=bad, licence=bad)])
    assert "<script>" not in (data.folder / "report.html").read_text()
    card = (data.folder / "README.md").read_text()
    assert "license: other\n" in card
    assert all("\\|x" in line for line in card.splitlines() if "alert" in line)


def app() -> typer.Typer:
    built = typer.Typer()
    for command in (commands.verify, commands.diff, commands.append, commands.export):
        built.command()(command)
    return built


def test_commands_end_with_status_one_when_something_is_wrong(
    sound: Dataset, copy: Dataset, tmp_path: Path
) -> None:
    runner = CliRunner()
    assert "sound: 6 clips" in runner.invoke(app(), ["verify", str(sound.folder)]).output
    assert runner.invoke(app(), ["diff", str(sound.folder), str(copy.folder)]).exit_code == 0
    rewrite(copy, "observations", first(lambda r: replace(r, area=r.area + 1)))
    broken = runner.invoke(app(), ["verify", str(copy.folder)])
    assert broken.exit_code == 1 and "mask_broken" in broken.output
    assert runner.invoke(app(), ["diff", str(sound.folder), str(copy.folder)]).exit_code == 1
    nothing = runner.invoke(app(), ["verify", str(tmp_path)])
    assert nothing.exit_code == 1 and "dataset_missing" in nothing.output
    unknown = runner.invoke(app(), ["export", str(sound.folder), "--format", "betamax"])
    assert unknown.exit_code == 1 and "format_unknown" in unknown.output


def test_a_room_with_everything_known_is_sound(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, [movi_source(rendered_clip(2))])
    assert verify(data.folder) == []
