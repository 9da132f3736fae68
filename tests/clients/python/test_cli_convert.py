"""`maquette convert` writes every file that was asked for, and no file anywhere else."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from maquette.cli.context import CliContext
from maquette.cli.main import app
from maquette.errors import OutputExists, OutputNotWritten
from typer.testing import CliRunner


class Service:
    """Returns an OBJ with a texture whose name leads out of the folder, and a PLY."""

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def convert(self, _source: Path, formats: list[str], *, y_down: bool, views: Any, **options: Any) -> Any:
        assert options.pop("timeout_seconds") == 900
        assert not y_down and options == dict.fromkeys(("anti_aliased", "depth"), bool(views))
        names = [f"converted.{name}" for name in formats] + ["../../evil.png", "plain.mtl"]
        rendered = [SimpleNamespace(image="../view.png", depth="depth.npy") for _ in views]
        names += ["../view.png", "depth.npy"] if views else []
        data = SimpleNamespace(
            asset="mesh",
            source="glb",
            files={name: f"converted.{name}" for name in formats},
            dropped={},
            views=rendered,
        )
        artefacts = [SimpleNamespace(name=name) for name in names]
        result = SimpleNamespace(artefacts=artefacts, data=data, flags=[])
        return SimpleNamespace(id="job", kind="convert", state="queued", wait=lambda progress: result)

    def read(self, artefact: Any) -> bytes:
        return str(artefact.name).encode()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(CliContext, "client", lambda _: Service())
    (tmp_path / "s.ply").write_bytes(b"converted.ply")
    return tmp_path / "s.ply"


def run_convert(*words: object) -> Any:
    return CliRunner().invoke(app, ["convert", *map(str, words)], env={"COLUMNS": "200"})


def test_a_replaced_target_is_named(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.ply"
    assert "replaced" not in run_convert(source, target).stderr
    assert "replaced" not in run_convert(source, target).stderr
    target.write_bytes(b"of somebody else")
    assert f"replaced {target}\n" in run_convert(source, target).stderr
    assert target.read_bytes() == b"converted.ply"


def test_the_source_is_no_target(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link.ply").symlink_to(source)
    for target in (source, tmp_path / "link.ply"):
        refused = run_convert(source, tmp_path / "new.ply", target)
        assert refused.exit_code == 2 and "is the file to convert" in refused.stderr
    assert not (tmp_path / "new.ply").exists()


def test_files_beside_a_target_are_not_replaced(source: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.mtl").write_bytes(b"of somebody else")
    refused = run_convert(source, tmp_path / "x.obj")
    assert isinstance(refused.exception, OutputExists) and "plain.mtl" in str(refused.exception)
    assert (tmp_path / "plain.mtl").read_bytes() == b"of somebody else"
    assert not (tmp_path / "x.obj").exists()


def test_a_target_that_cannot_be_written_stays_as_it_was(source: Path, tmp_path: Path) -> None:
    (tmp_path / "x.obj").write_bytes(b"the one before")
    # writing to this device fails as a full disk does
    (tmp_path / "x.obj.part").symlink_to("/dev/full")
    failed = run_convert(source, tmp_path / "x.obj")
    assert isinstance(failed.exception, OutputNotWritten)
    assert "x.obj cannot be written: No space left on device" in str(failed.exception)
    assert "maquette get job --out ELSEWHERE" in str(failed.exception)
    assert (tmp_path / "x.obj").read_bytes() == b"the one before"


def test_every_target_is_written_and_names_stay_in_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CliContext, "client", lambda _: Service())
    for folder in ("in", "in/a", "in/b"):
        (tmp_path / folder).mkdir()
    source = tmp_path / "in" / "s.glb"
    source.touch()
    targets = [tmp_path / "in" / name for name in ("a/x.obj", "b/x.obj", "one.ply", "two.ply", "one.ply")]
    completed = CliRunner().invoke(app, ["convert", str(source), *map(str, targets)], catch_exceptions=False)
    assert completed.exit_code == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} - {
        "in/s.glb"
    }
    textures = {f"in/{folder}/{name}" for folder in "ab" for name in ("_.._evil.png", "plain.mtl")}
    assert written == {"in/a/x.obj", "in/b/x.obj", "in/one.ply", "in/two.ply", *textures}
    assert (
        (tmp_path / "in/one.ply").read_bytes() == (tmp_path / "in/two.ply").read_bytes() == b"converted.ply"
    )


def test_views_are_written_beside_the_first_target(source: Path, tmp_path: Path) -> None:
    (tmp_path / "views.json").write_text('[{"width": 8}]')
    words = ("--views", tmp_path / "views.json", "--anti-aliased", "--depth")
    done = run_convert(source, tmp_path / "x.spz", *words)
    assert done.exit_code == 0, done.output
    # a name that leads out of the folder stays in it
    assert {path.name for path in tmp_path.iterdir()} >= {"x.spz", "x-.._view.png", "x-depth.npy"}
    done = run_convert(source, tmp_path / "y.khr.glb", *words)
    assert done.exit_code == 0 and (tmp_path / "y-depth.npy").exists(), done.output


def test_images_of_views_replace_no_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "views.json").write_text('[{"width": 8}]')
    (tmp_path / "x-depth.npy").write_bytes(b"of somebody else")
    words = ("--views", tmp_path / "views.json", "--anti-aliased", "--depth")
    refused = run_convert(source, tmp_path / "x.spz", *words)
    assert isinstance(refused.exception, OutputExists) and "x-depth.npy" in str(refused.exception)
    assert (tmp_path / "x-depth.npy").read_bytes() == b"of somebody else"
    assert not (tmp_path / "x.spz").exists()
