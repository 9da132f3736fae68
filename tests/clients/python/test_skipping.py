"""One bad file among many: named, left out, reported; `--strict` ends the command."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from maquette import Maquette
from maquette.cli import skips
from maquette.cli.context import CliContext
from maquette.cli.dataset.estimate import print_estimate
from maquette.cli.main import app
from maquette.contract import Problem
from maquette.cost_estimate import TRIAL_VIDEOS
from maquette.dataset_plan import build_plan
from maquette.dataset_plan.running import estimate_plan, submit_plan
from maquette.errors import ConnectionFailed, JobFailed, ServiceError, Unauthorized
from maquette.skipping import InputRefused, SkippedInput, record_reason, to_skipped
from PIL import Image
from typer.testing import CliRunner

GOOD = b"good"
PROBLEMS = {b"": "upload_empty", b"cut": "image_broken", b"foreign": "unsupported_media"}
EMPTY_RESULT = {"kind": "segment", "width": 8, "height": 8, "instances": []}
PROVENANCE = {"code_version": "1", "engines": [], "seed": 0, "parameters": {}, "sources": []}


class Service:
    """Answers as the gateway does; files are good, or have the problem of their content."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.kinds: dict[str, str] = {}
        self.failing: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET" and path.startswith("/v1/uploads/"):
            sha = path.rsplit("/", 1)[1]
            if sha not in self.kinds:
                return problem("media_unknown", 404)
            return httpx.Response(200, json=media(sha, self.kinds[sha]))
        if path == "/v1/uploads":
            body = request.read()
            if body in PROBLEMS:
                return problem(PROBLEMS[body], 422)
            sha = sha256(body).hexdigest()
            self.kinds[sha] = "image" if body == b"image" else "video"
            return httpx.Response(201, json=media(sha, self.kinds[sha]))
        if path == "/v1/jobs" and request.method == "POST":
            self.jobs.append(json.loads(request.read()))
            return httpx.Response(202, json=self.job(len(self.jobs)))
        return httpx.Response(200, json=self.job(int(path[-28:], 16)))

    def job(self, number: int) -> dict[str, Any]:
        request = self.jobs[number - 1]
        job = {"id": f"job_{number:028x}", "kind": request["kind"], "engine": "auto"}
        job |= {"created_at": "2026-01-01T00:00:00Z", "state": "succeeded"}
        if request.get("image", {}).get("id") in self.failing:
            fault = {"type": "t", "title": "t", "status": 500, "code": "engine_failed", "detail": "why"}
            return {**job, "state": "failed", "problem": fault}
        return {**job, "result": {"result": EMPTY_RESULT, "artefacts": [], "provenance": PROVENANCE}}


def problem(code: str, status: int) -> httpx.Response:
    fields = {"type": "t", "title": "t", "status": status, "code": code, "detail": f"this is {code}"}
    return httpx.Response(status, json=fields)


def media(sha: str, kind: str) -> dict[str, Any]:
    sizes = {"media_type": f"{kind}/x", "bytes": 4, "width": 8, "height": 8}
    return {"id": sha, "kind": kind, "frames": 1 if kind == "image" else 9, **sizes}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    answering = Service()
    monkeypatch.setattr(CliContext, "client", lambda _: client(answering))
    return answering


def client(service: Service) -> Maquette:
    return Maquette("http://service", transport=httpx.MockTransport(service), retries=0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    for name, content in {"a": GOOD, "b": b"", "c": b"cut", "d": b"foreign", "e": b"good too"}.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    yield tmp_path


def segment(*words: str) -> Any:
    return CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})


def test_bad_files_are_named_skipped_and_counted(service: Service, folder: Path) -> None:
    result = segment("segment", f"{folder}/*.jpg", "-t", "cup", "--out", str(folder / "out"))
    assert result.exit_code == skips.SOME_SKIPPED == 3
    for name, code in (("b", "upload_empty"), ("c", "image_broken"), ("d", "unsupported_media")):
        assert f"skipped {folder}/{name}.jpg: {code}: this is {code}\n" in result.stderr
    assert "3 of 5 inputs were skipped:" in result.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a", "e"]
    assert len(service.jobs) == 2


def test_json_has_a_document_of_what_was_skipped(service: Service, folder: Path) -> None:
    result = segment("--json", "segment", f"{folder}/*.jpg", f"{folder}/none.jpg", "-t", "cup")
    last = result.stdout[result.stdout.rindex('\n{\n "skipped"') :]
    skipped = json.loads(last)["skipped"]
    assert [(Path(item["name"]).name, item["code"]) for item in skipped] == [
        ("b.jpg", "upload_empty"),
        ("c.jpg", "image_broken"),
        ("d.jpg", "unsupported_media"),
        ("none.jpg", "file_unreadable"),
    ]
    assert result.exit_code == 3


def test_a_failed_job_leaves_the_others(service: Service, folder: Path) -> None:
    service.failing = {sha256(GOOD).hexdigest()}
    result = segment(
        "segment", f"{folder}/a.jpg", f"{folder}/e.jpg", "-t", "cup", "--out", str(folder / "out")
    )
    assert result.exit_code == 3 and "a.jpg: engine_failed: why" in result.stderr
    assert [path.name for path in (folder / "out").iterdir()] == ["e"]


def test_the_same_command_again_does_what_is_missing(service: Service, folder: Path) -> None:
    words = ("segment", f"{folder}/a.jpg", f"{folder}/e.jpg", "-t", "cup", "--out", str(folder / "out"))
    service.failing = {sha256(GOOD).hexdigest()}
    assert segment(*words).exit_code == 3
    service.failing = set()
    again = segment(*words)
    assert again.exit_code == 3 and "e.jpg: output_exists: " in again.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a", "e"]
    assert len(service.jobs) == 3


def test_folders_are_named_by_the_inputs_whatever_becomes_of_them(service: Service, folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "b.jpg").write_bytes(GOOD)
    result = segment(
        "segment", f"{folder}/b.jpg", f"{folder}/other/b.jpg", "-t", "cup", "-o", str(folder / "out")
    )
    assert result.exit_code == 3
    assert [path.name for path in (folder / "out").iterdir()] == ["b-2"]


def test_strict_ends_at_the_first_bad_file(service: Service, folder: Path) -> None:
    result = segment("segment", f"{folder}/*.jpg", "-t", "cup", "--strict")
    assert isinstance(result.exception, InputRefused) and f"{folder}/b.jpg: upload_empty" in str(
        result.exception
    )


def test_without_any_good_file_the_status_is_one(service: Service, folder: Path) -> None:
    result = segment("segment", f"{folder}/b.jpg", f"{folder}/c.jpg", "-t", "cup")
    assert result.exit_code == 1 and "2 of 2 inputs were skipped:" in result.stderr
    single = segment("segment", f"{folder}/b.jpg", "-t", "cup")
    assert "b.jpg: this is upload_empty" in str(single.exception)


@pytest.mark.parametrize("kind", [Unauthorized, ServiceError])
def test_what_concerns_every_file_is_no_reason_to_skip(kind: Any) -> None:
    with pytest.raises(kind):
        to_skipped("a.jpg", kind(Problem.from_code("any", 500, "why")))
    with pytest.raises(ConnectionFailed):
        to_skipped("a.jpg", ConnectionFailed("down"))
    failed = JobFailed(Problem.from_code("url_failed", 422, "a.jpg: gone"))
    assert str(to_skipped("x/a.jpg", failed)) == "x/a.jpg: url_failed: gone"


def plan(*videos: Path, **more: Any) -> Any:
    return build_plan({"text": ["cup"], "input": {"videos": [str(video) for video in videos]}, **more})


def test_a_dataset_is_made_of_the_videos_that_can_be_read(tmp_path: Path) -> None:
    service, skipped = Service(), []
    contents = {"a.mp4": GOOD, "b.mp4": b"", "c.mp4": b"foreign", "d.mp4": b"image"}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name, content in contents.items():
            (tmp_path / folder / name).write_bytes(content)
    frames = tmp_path / "two" / "frames"
    frames.mkdir()
    for number, size in enumerate((8, 8, 9)):
        Image.new("L", (size, 8)).save(frames / f"{number}.png")
    submit_plan(client(service), plan(tmp_path), on_skip=skipped.append)
    [job] = service.jobs
    assert [source["name"] for source in job["sources"]] == ["one/a.mp4", "two/a.mp4"]
    assert job["skipped"] == {
        "b.mp4": "upload_empty",
        "c.mp4": "unsupported_media",
        "d.mp4": "not_a_video",
        "b.mp4 (2)": "upload_empty",
        "c.mp4 (2)": "unsupported_media",
        "d.mp4 (2)": "not_a_video",
        "frames": "file_unreadable",
    }
    assert [item.name for item in skipped][:2] == [f"{tmp_path}/one/b.mp4", f"{tmp_path}/one/c.mp4"]
    assert "differs in size" in skipped[-1].detail and "no video but image/x" in skipped[2].detail


def test_an_estimate_takes_other_videos_for_those_that_cannot_be_used(tmp_path: Path) -> None:
    service, submitted, skipped = Service(), [], []
    for number in range(12):
        (tmp_path / f"{number}.mp4").write_bytes(b"" if number % 4 == 0 else f"video {number}".encode())

    def stop(job: Any) -> None:
        submitted.append(job)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate_plan(client(service), plan(tmp_path), progress=False, on_submit=stop, on_skip=skipped.append)
    [job] = service.jobs
    assert len(submitted) == 1 and len(job["videos"]) == len(job["sources"]) == TRIAL_VIDEOS
    assert [Path(item.name).stem for item in skipped] == ["0", "4", "8"][: len(skipped)] and skipped


class TimedService(Service):
    """Its jobs have the times of a trial."""

    TIMING = json.dumps(
        {"stages": {}, "video_seconds": 9, "passed_seconds": 9, "done_seconds": 3, "done_bytes": 1}
    ).encode()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "/artefacts/" in request.url.path:
            return httpx.Response(200, content=self.TIMING)
        return super().__call__(request)

    def job(self, number: int) -> dict[str, Any]:
        job = super().job(number)
        artefact = {"name": "timing.json", "role": "report", "media_type": "application/json"}
        artefact |= {"sha256": sha256(self.TIMING).hexdigest(), "bytes": len(self.TIMING)}
        return {**job, "result": {**job["result"], "artefacts": [artefact]}}


def test_an_estimate_says_how_many_videos_are_not_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sizes of uploads and of addresses are not known here."""
    (tmp_path / "a.mp4").write_bytes(GOOD)
    videos = [str(tmp_path / "a.mp4"), f"upload:{'1' * 64}", "https://host/b.mp4"]
    asked = build_plan({"text": "cup", "input": {"videos": videos}})
    estimate = estimate_plan(client(TimedService()), asked, progress=False)
    assert (estimate.videos, estimate.unmeasured, estimate.trial_videos) == (1, 2, 1)
    print_estimate(CliContext(None, None, as_json=False), estimate, workers=1, price=None)
    assert "not in it: 2 upload(s) or https address(es)" in capsys.readouterr().out


def test_photos_beside_videos_are_named_as_not_used(service: Service, tmp_path: Path) -> None:
    for name in ("IMG_1.MOV", "IMG_2.HEIC", "IMG_3.jpg"):
        (tmp_path / name).write_bytes(b"" if name.endswith("MOV") else GOOD)
    result = segment("dataset", str(tmp_path), "-t", "cup", "--out", str(tmp_path / "out"))
    assert f"not used: 2 photos beside the videos of {tmp_path}\n" in result.stderr
    assert not service.jobs and "upload_empty" in result.stderr


def test_a_strict_plan_names_the_first_bad_video(tmp_path: Path) -> None:
    for name, content in {"a.mp4": GOOD, "b.mp4": b""}.items():
        (tmp_path / name).write_bytes(content)
    service = Service()
    with pytest.raises(InputRefused, match=r"b\.mp4: upload_empty: this is upload_empty"):
        submit_plan(client(service), plan(tmp_path, strict=True))
    with pytest.raises(InputRefused, match=r"b\.mp4: upload_empty"):
        submit_plan(client(service), plan(tmp_path / "b.mp4"))
    assert not service.jobs


def test_reasons_of_equal_names_are_all_kept() -> None:
    reasons: dict[str, str] = {}
    for code in ("one", "two", "three"):
        record_reason(reasons, "a.mp4", code)
    assert reasons == {"a.mp4": "one", "a.mp4 (2)": "two", "a.mp4 (3)": "three"}
    assert str(SkippedInput("a", "b", "c")) == "a: b: c"
