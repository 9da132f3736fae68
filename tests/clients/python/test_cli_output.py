"""`--out` and files of options: nothing is replaced silently, and what cannot work ends at once."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.state import State
from tests.support.gateway import application, gateway, state, tenant
from tests.support.gateway_cli import Run, finish_job, list_jobs, run

__all__ = ["application", "gateway", "run", "state", "tenant"]


@pytest.fixture
def saved(run: Run, gateway: TestClient, state: State, tenant: str) -> dict[str, str]:
    """Two jobs that have succeeded, `first` with the files a.png and b.png, and `second` with b.png alone."""
    ids = {}
    contents: dict[str, dict[str, bytes | None]] = {
        "first": {"a.png": b"1a", "b.png": b"1b"},
        "second": {"b.png": b"2b"},
    }
    for name, files_ in contents.items():
        run("segment", "red.png", "--text", "person" if name == "first" else "car")
        ids[name] = next(job["id"] for job in list_jobs(gateway) if job["state"] == "queued")
        finish_job(state, tenant, ids[name], files_)
    return ids


@pytest.mark.parametrize("command", ["get", "wait"])
def test_a_saved_result_is_replaced_only_on_demand(
    run: Run, saved: dict[str, str], tmp_path: Path, command: str
) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        # the same result again changes nothing
        assert run(command, saved["first"], "-o", "out").status == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    refused = run(command, saved["second"], "-o", "out")
    assert refused.status == 1
    assert "b.png, result.json; nothing was saved" in refused.stderr
    assert f"maquette get {saved['second']} --out ELSEWHERE" in refused.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / "notes.txt").write_text("mine")
    assert run(command, saved["second"], "-o", "out", "--overwrite").status == 0
    assert sorted(path.name for path in out.iterdir()) == ["b.png", "notes.txt", "result.json"]
    assert (out / "b.png").read_bytes() == b"2b"


def test_a_changed_file_of_an_earlier_result_is_kept(run: Run, saved: dict[str, str], tmp_path: Path) -> None:
    run("get", saved["first"], "-o", "out")
    (tmp_path / "out" / "a.png").write_bytes(b"retouched")
    assert run("get", saved["second"], "-o", "out", "--overwrite").status == 0
    assert (tmp_path / "out" / "a.png").read_bytes() == b"retouched"


def test_files_that_are_no_results_are_not_replaced(run: Run, saved: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"a photo")
    refused = run("get", saved["first"], "-o", ".")
    assert refused.status == 1 and "b.png; nothing was saved" in refused.stderr
    assert (tmp_path / "b.png").read_bytes() == b"a photo"
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("name", ["b.png", "result.json"])
def test_a_full_disk_is_explained_and_the_result_kept(
    run: Run, saved: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "out").mkdir()
    # writing to this device fails as a full disk does
    (tmp_path / "out" / f"{name}.part").symlink_to("/dev/full")
    failed = run("get", saved["first"], "-o", "out")
    assert failed.status == 1
    assert f"output_not_written: out/{name} cannot be written: No space left on device" in failed.stderr
    assert f"maquette get {saved['first']} --out ELSEWHERE" in failed.stderr
    assert not [file for file in (tmp_path / "out").iterdir() if file.suffix == ".part" or file.name == name]
    # nothing half done is in the way of the same command
    assert run("get", saved["first"], "-o", "out").status == 0
    assert (tmp_path / "out" / "b.png").read_bytes() == b"1b"


def test_a_folder_that_cannot_be_made_is_explained(run: Run, saved: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nowhere/at/all")
    failed = run("get", saved["first"], "-o", "out")
    assert failed.status == 1 and "output_not_written: out cannot be written: " in failed.stderr


def test_jobs_that_go_on_after_an_error_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "not.png").write_bytes(b"no picture")
    failed = run("segment", "red.png", "not.png", "-t", "person", "--strict")
    (job_id,) = re.findall(r"red.png: segment (job_\w+) queued", failed.stderr)
    assert failed.status == 1 and f"{job_id} goes on: maquette wait {job_id}" in failed.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("segment", "red.png", "-t", "person"),
        ("objects", "red.png", "-t", "person"),
        ("scene", "red.png", "-t", "person"),
        ("bodies", "red.png"),
        ("bodies", "--from-job", "{first}"),
    ],
    ids=" ".join,
)
def test_a_folder_with_a_result_is_refused_before_the_job(
    run: Run, gateway: TestClient, saved: dict[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    run("get", saved["first"], "-o", "out")
    words = tuple(word.format(**saved) for word in words)
    refused = run(*words, "-o", "out")
    assert refused.status == 1 and "out holds a result already" in refused.stderr
    for place in ("red.png", "red.png/deeper/out"):
        refused = run(*words, "-o", place)
        assert refused.status == 1 and f"{place} cannot be a folder: " in refused.stderr
    assert len(list_jobs(gateway)) == 2
    assert run(*words, "-o", "out", "--overwrite").status == 130
    assert len(list_jobs(gateway)) == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is not JSON: "),
        ("[{}]x", "is not JSON: "),
        ("{}", "must hold a JSON list"),
        (None, "cannot be read: "),
    ],
)
def test_a_file_of_an_option_is_named(run: Run, tmp_path: Path, content: str | None, why: str) -> None:
    if content is not None:
        (tmp_path / "some.json").write_text(content)
    for words in (("segment", "red.png", "--prompts"), ("bodies", "red.png", "--world-from-cam")):
        refused = run(*words, "some.json")
        assert refused.status == 2 and f"some.json {why}" in " ".join(refused.stderr.split())
