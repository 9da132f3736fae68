"""Jobs of the command line, against a gateway without workers: ids, Ctrl-C, commands that are run again."""

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from maquette import Maquette
from maquette.cli import main
from maquette.cli.context import CliContext
from maquette.contract import Problem
from PIL import Image

from service.state import State
from storage.ledger import leases
from tests.support.cli import Outcome
from tests.support.gateway import application, gateway, state, tenant
from tests.support.ledger_files import add_artefact

__all__ = ["application", "gateway", "state", "tenant"]
Run = Callable[..., Outcome]


@pytest.fixture
def run(
    gateway: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Run `maquette`; Ctrl-C is pressed as soon as it waits."""
    key = str(gateway.headers["Authorization"]).removeprefix("Bearer ")

    def client(_context: CliContext) -> Maquette:
        return Maquette("http://gateway", api_key=key, join_running=True, transport=gateway._transport)

    def press_ctrl_c(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CliContext, "client", client)
    monkeypatch.setattr("maquette._sync.jobs.time.sleep", press_ctrl_c)
    monkeypatch.chdir(tmp_path)
    for name, color in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (40, 30), color).save(tmp_path / name)

    def run_main(*words: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["maquette", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run_main


def list_jobs(gateway: TestClient) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = gateway.get("/v1/jobs").json()["jobs"]
    return listed


def test_the_id_is_printed_at_once_and_ctrl_c_says_how_to_go_on(run: Run, gateway: TestClient) -> None:
    outcome = run("segment", "red.png", "--text", "person")
    [job] = list_jobs(gateway)
    assert outcome.status == 130 and job["state"] == "queued"
    lines = outcome.stderr.splitlines()
    assert lines[0] == f"red.png: segment {job['id']} queued"
    assert lines[-1] == f"{job['id']} goes on: maquette wait {job['id']}"
    assert outcome.stdout == ""


def test_every_unfinished_job_of_a_command_is_named(run: Run, gateway: TestClient) -> None:
    outcome = run("segment", "red.png", "blue.png", "--text", "person")
    ids = {job["id"] for job in list_jobs(gateway)}
    assert len(ids) == 2
    assert all(f"{job_id} goes on: maquette wait {job_id}" in outcome.stderr for job_id in ids)


@pytest.mark.parametrize(
    "words",
    [("segment", "red.png", "--text", "person"), ("wait",)],
    ids=["segment", "wait"],
)
def test_ctrl_c_cancels_where_it_was_asked_to(run: Run, gateway: TestClient, words: tuple[str, ...]) -> None:
    if words == ("wait",):
        run("segment", "red.png", "--text", "person")
        words = ("wait", list_jobs(gateway)[0]["id"])
    outcome = run(*words, "--cancel-on-interrupt")
    [job] = list_jobs(gateway)
    assert (outcome.status, job["state"]) == (130, "cancelled")
    assert outcome.stderr.splitlines()[-1] == f"{job['id']} was asked to stop"


def test_the_same_command_joins_its_job_until_that_has_ended(
    run: Run, gateway: TestClient, state: State
) -> None:
    words = ("segment", "red.png", "--text", "person")
    run(*words)
    run(*words)
    [job] = list_jobs(gateway)
    claimed = leases.claim(state.db, job["id"], "w", 30)
    assert claimed is not None
    assert f"{job['id']} running" in run(*words).stderr
    run(*words, "--threshold", "0.9")
    assert len(list_jobs(gateway)) == 2
    leases.fail(state.db, claimed, Problem.from_code("internal", 500, "broken").model_dump())
    run(*words)
    assert len(list_jobs(gateway)) == 3


def test_a_job_that_was_asked_to_stop_is_not_joined(run: Run, gateway: TestClient, state: State) -> None:
    words = ("segment", "red.png", "--text", "person")
    run(*words)
    [job] = list_jobs(gateway)
    assert leases.claim(state.db, job["id"], "w", 30) is not None
    run("cancel", job["id"])
    run(*words)
    assert len(list_jobs(gateway)) == 2


def test_an_unknown_word_is_answered_with_all_known_ones_and_the_nearest(run: Run) -> None:
    refused = run("segment", "red.png", "--text", "wrench")
    assert refused.status == 1
    first, *rest = refused.stderr.splitlines()
    assert first.startswith("unknown_phrase: ") and "'wrench'" in first
    assert any(line.startswith("did you mean bench") for line in rest)
    assert any("person, bicycle, car" in line and "toothbrush" in line for line in rest)


@pytest.mark.parametrize(
    "words",
    [
        ("-t", "person,car"),
        ("-t", "person, car"),
        ("--text", "person", "--text", "car"),
        ("-t", "person,car,"),
    ],
    ids=" ".join,
)
def test_phrases_are_repeated_or_joined_by_commas(
    run: Run, gateway: TestClient, words: tuple[str, ...]
) -> None:
    outcome = run("segment", "red.png", *words, "--threshold", "0.5", "--threshold", "0.6")
    [job] = list_jobs(gateway)
    request = gateway.get(f"/v1/jobs/{job['id']}").json()["request"]
    assert outcome.status == 130
    assert (request["text"], request["thresholds"]) == (["person", "car"], [0.5, 0.6])


def test_ids_are_whole_on_a_narrow_terminal_and_in_a_pipe(
    run: Run, gateway: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("segment", "red.png", "--text", "person")
    [job] = list_jobs(gateway)
    assert job["id"] in run("jobs").stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    assert job["id"] in run("jobs").stdout


def test_a_start_names_a_job_where_only_one_has_it(run: Run, gateway: TestClient) -> None:
    run("segment", "red.png", "blue.png", "--text", "person")
    first, second = sorted(job["id"] for job in list_jobs(gateway))
    common = next(size for size in range(len(first)) if first[size] != second[size])
    unique, shared = first[: common + 1], first[:common]
    for text in (unique, unique.removeprefix("job_"), first):
        assert json.loads(run("--json", "get", text).stdout)["id"] == first
    refused = run("get", shared)
    assert refused.status == 2 and first in refused.stderr and second in refused.stderr
    assert run("cancel", unique).stdout == f"{first} is cancelled\n"


@pytest.mark.parametrize("text", ["job_0000", "xyz", "job_", "../jobs", ""])
def test_ids_of_no_job_are_refused(run: Run, text: str) -> None:
    refused = run("get", text)
    assert (refused.status, refused.stdout) == (1, "") and refused.stderr.startswith("job_unknown: ")


def finish_job(state: State, tenant: str, job_id: str, contents: dict[str, bytes | None]) -> None:
    """End a job with files; those without content are in the ledger, but their bytes are lost."""
    artefacts = []
    for name, content in contents.items():
        sha256 = hashlib.sha256(name.encode()).hexdigest() if content is None else state.store.put(content)
        add_artefact(state.db, tenant, sha256, "image/png", len(content or b""))
        artefacts.append(
            {"name": name, "role": "mask", "sha256": sha256, "media_type": "image/png", "bytes": 1}
        )
    manifest = {
        "result": {"kind": "segment", "width": 40, "height": 30, "instances": []},
        "artefacts": artefacts,
        "provenance": {"code_version": "0", "engines": [], "seed": 0, "parameters": {}, "sources": []},
    }
    claimed = leases.claim(state.db, job_id, "w", 30)
    assert claimed is not None
    assert leases.succeed(state.db, claimed, state.store.put(json.dumps(manifest).encode()))


@pytest.mark.parametrize("command", ["get", "wait"])
def test_a_lost_file_is_named_and_the_others_are_saved(
    run: Run, gateway: TestClient, state: State, tenant: str, tmp_path: Path, command: str
) -> None:
    run("segment", "red.png", "--text", "person")
    [job] = list_jobs(gateway)
    finish_job(state, tenant, job["id"], {"a.png": b"first", "lost.png": None, "z.png": b"last"})
    outcome = run(command, job["id"], "--out", "out")
    assert outcome.status == 1
    assert outcome.stderr.splitlines()[-1].startswith(
        "artefact_gone: the service has lost lost.png: run the job"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "result.json", "z.png"]
    assert (tmp_path / "out" / "z.png").read_bytes() == b"last"


def test_of_several_jobs_those_that_failed_are_reported(
    run: Run, gateway: TestClient, state: State, tenant: str, tmp_path: Path
) -> None:
    run("segment", "red.png", "blue.png", "--text", "person")
    run("segment", "red.png", "--text", "car")
    whole, lost, failed = sorted(job["id"] for job in list_jobs(gateway))
    finish_job(state, tenant, whole, {"a.png": b"all"})
    finish_job(state, tenant, lost, {"b.png": None})
    claimed = leases.claim(state.db, failed, "w", 30)
    assert claimed is not None
    leases.fail(state.db, claimed, Problem.from_code("engine_failed", 500, "broken").model_dump())
    outcome = run("wait", failed, lost, whole, "--out", "out")
    assert outcome.status == 3
    assert f"{failed}: engine_failed" in outcome.stderr and f"{lost}: artefact_gone" in outcome.stderr
    assert (tmp_path / "out" / whole / "a.png").read_bytes() == b"all"


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


def test_a_full_disk_is_one_line(run: Run, gateway: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("service.dispatch.submission.jobs.submit", fill_up)
    outcome = run("segment", "red.png", "--text", "person")
    assert (outcome.status, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("storage_full: ") and outcome.stderr.count("\n") == 1
    assert list_jobs(gateway) == []


def test_an_objects_job_continues_a_job_by_the_start_of_its_id(run: Run, gateway: TestClient) -> None:
    run("segment", "red.png", "--text", "person")
    [segment] = list_jobs(gateway)
    refused = run("objects", "--from-job", segment["id"][:-4])
    # the gateway knows the whole id, and refuses it because that job has no result yet
    assert segment["id"] in refused.stderr


def test_a_folder_of_numbered_frames_is_tracked_as_a_video(
    run: Run, gateway: TestClient, tmp_path: Path
) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    for number in (10, 9, 11):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"f{number}.jpg", exif=turned)
    run("track", "walk", "--box", "2,2,20,30")
    (listed,) = list_jobs(gateway)
    job = gateway.get(f"/v1/jobs/{listed['id']}").json()
    video = gateway.get(f"/v1/uploads/{job['request']['video']['id']}").json()
    assert (video["kind"], video["frames"], video["frame_rate"]) == ("video", 3, 10)
    assert (video["width"], video["height"]) == (30, 40)


def test_a_folder_that_is_no_video_is_refused_in_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mixed").mkdir()
    for number in (1, 2):
        Image.new("RGB", (40 * number, 30)).save(tmp_path / "mixed" / f"{number}.png")
    (tmp_path / "empty").mkdir()
    for name, words in (("mixed", "differs in size or format"), ("empty", "without numbered JPEG or PNG")):
        outcome = run("track", name, "--text", "person")
        assert outcome.status == 1
        assert words in outcome.stderr
