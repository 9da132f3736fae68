"""Jobs of the command line, against a gateway without workers: ids, Ctrl-C, commands that are run again."""

import errno
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from maquette.contract import Problem
from PIL import Image

from service.state import State
from storage.ledger import leases
from tests.support.gateway import application, gateway, state, tenant
from tests.support.gateway_cli import Run, finish_job, list_jobs, run

__all__ = ["application", "gateway", "run", "state", "tenant"]


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


@pytest.mark.parametrize("kind", ["segment", "objects", "bodies", "scene"])
def test_the_longest_time_of_a_job_is_an_option(run: Run, gateway: TestClient, kind: str) -> None:
    words = () if kind == "bodies" else ("--text", "person")
    assert run(kind, "red.png", *words, "--timeout", "77").status == 130
    [job] = list_jobs(gateway)
    assert gateway.get(f"/v1/jobs/{job['id']}").json()["request"]["timeout_seconds"] == 77


def test_further_images_of_a_file_are_in_the_same_job(run: Run, gateway: TestClient) -> None:
    pairs = [{"image": "blue.png", "text": ["car", "dog"]}, {"image": "red.png"}]
    Path("pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    run("segment", "red.png", "--text", "person", "--images", "pairs.json")
    [job] = list_jobs(gateway)
    request = gateway.get(f"/v1/jobs/{job['id']}").json()["request"]
    assert [item["text"] for item in request["images"]] == [["car", "dog"], []]
    assert request["images"][1]["image"] == request["image"] != request["images"][0]["image"]
    refused = run("segment", "red.png", "--images", "pairs.json")
    assert refused.status != 130 and len(list_jobs(gateway)) == 1
    Path("pairs.json").write_text(json.dumps([{"text": ["car"]}]), encoding="utf-8")
    refused = run("segment", "red.png", "--text", "person", "--images", "pairs.json")
    assert refused.status != 130 and "images" in refused.stderr


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


def test_hands_and_flags_of_bodies_are_printed(
    run: Run, gateway: TestClient, state: State, tenant: str
) -> None:
    run("bodies", "red.png")
    [job] = list_jobs(gateway)
    flags = ["age_uncertain", "gravity_disagrees", "mask_disagrees"]
    camera = {"fx": 60, "fy": 60, "cx": 20, "cy": 15, "width": 40, "height": 30, "source": "given"}
    body = {
        "index": 0,
        "box": {"x0": 1, "y0": 2, "x1": 30, "y1": 29},
        "mesh": None,
        "keypoints": [],
        "camera": camera,
        "parameters": {},
        "scale_source": "prior",
        "confidence": 0.5,
        "reprojection_error_px": 2.0,
        "flags": flags,
        "hand_left": "fist",
        "hand_right": None,
    }
    bodies = {"kind": "bodies", "width": 40, "height": 30, "bodies": [body]}
    finish_job(state, tenant, job["id"], {}, bodies)
    [printed] = json.loads(run("--json", "wait", job["id"]).stdout)["result"]["bodies"]
    assert printed["flags"] == flags
    assert (printed["hand_left"], printed["hand_right"]) == ("fist", None)
    shown = run("wait", job["id"]).stdout
    assert "left fist" in shown and all(flag in shown for flag in flags)
