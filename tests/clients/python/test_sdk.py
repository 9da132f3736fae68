"""The SDK without a service: inputs, RLE, retries, errors, and the asynchronous client."""

import asyncio
import hashlib
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from maquette import (
    ApiError,
    AsyncMaquette,
    ConnectionFailed,
    Gone,
    InvalidRequest,
    JobFailed,
    LimitReached,
    Maquette,
    ServiceError,
    StorageFull,
    WaitTimeout,
    inputs,
    sessions,
)
from maquette.contract import MediaRef, Problem, Rle
from maquette.contract.datasets import Bounds
from maquette.http import backoff_seconds
from maquette.results import PromptResult
from maquette.rle import decode, encode
from PIL import Image
from pycocotools import mask as coco

from tests.support.client_sleep import replace_sleep

JOB = {
    "id": "job_" + "a" * 28,
    "kind": "segment",
    "state": "queued",
    "engine": "auto",
    "created_at": "2026-01-01T00:00:00Z",
}
PROBLEM = {"type": "t", "title": "t", "status": 422, "code": "some_code", "detail": "say so"}
REF = "0" * 64
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(arrays(np.bool_, shapes))
def test_rle_equals_pycocotools(mask: Any) -> None:
    theirs = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    ours = encode(mask)
    assert ours.counts == theirs["counts"].decode()
    assert ours.size == tuple(theirs["size"])
    np.testing.assert_array_equal(decode(ours), mask)


@pytest.mark.parametrize("counts", ["5", "T3T3", "ZZZZZZ"])
def test_invalid_rle_is_refused(counts: str) -> None:
    with pytest.raises(ValueError, match="fill"):
        decode(Rle(size=(10, 10), counts=counts))


def test_points_are_accepted_in_every_documented_form() -> None:
    single = inputs.to_points([(3, 4), [(1, 2), (5, 6, 0)], np.array([[7.0, 8.0]])])
    assert [[(p.x, p.y, p.label) for p in group] for group in single] == [
        [(3, 4, 1)],
        [(1, 2, 1), (5, 6, 0)],
        [(7, 8, 1)],
    ]


def test_media_are_accepted_in_every_documented_form(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    assert isinstance(inputs.to_media(pixels), bytes)
    assert isinstance(inputs.to_media(Image.fromarray(pixels)), bytes)
    assert inputs.to_media("https://example.com/a.png") == "https://example.com/a.png"
    (tmp_path / "a.png").write_bytes(b"x")
    assert inputs.to_media(str(tmp_path / "a.png")) == tmp_path / "a.png"
    with pytest.raises(FileNotFoundError):
        inputs.to_media("nowhere.png")


def test_a_camera_matrix_is_accepted() -> None:
    camera = inputs.to_intrinsics(np.array([[500, 0, 320], [0, 510, 240], [0, 0, 1]]))
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 510, 320, 240)


def client(answer: Any, retries: int = 4) -> Maquette:
    return Maquette("http://test", api_key="k", retries=retries, transport=httpx.MockTransport(answer))


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("maquette._async.http", "maquette._sync.http"):
        monkeypatch.setattr(f"{module}.backoff_seconds", lambda *_: 0.0)


def test_a_retried_submission_is_the_same_request() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={**JOB})
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("gone", request=request)
        if len(keys) == 2:
            return httpx.Response(503, json=PROBLEM)
        return httpx.Response(202, json=JOB)

    with client(answer) as mq:
        job = mq.segment(MediaRef(id=REF), text="cat")
    assert job.id == JOB["id"]
    assert len(keys) == 3 and len(set(keys)) == 1


def test_a_limit_is_waited_for_as_long_as_the_service_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many more answers than there are retries: a full queue is no failure."""
    pauses: list[float] = []
    for module in ("maquette._async.http", "maquette._sync.http"):
        monkeypatch.setattr(f"{module}.backoff_seconds", backoff_seconds)
    replace_sleep(monkeypatch, "maquette._sync.http", pauses.append)

    def answer(request: httpx.Request) -> httpx.Response:
        if len(pauses) < 20:
            return httpx.Response(429, json={**PROBLEM, "status": 429}, headers={"Retry-After": "5"})
        return httpx.Response(202, json=JOB)

    with client(answer) as mq:
        assert mq.segment(MediaRef(id=REF), text="cat").id == JOB["id"]
    assert pauses == [5.0] * 20

    def always(request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, json={**PROBLEM, "status": 429}, headers={"Retry-After": "30"})

    pauses.clear()
    with client(always) as mq, pytest.raises(LimitReached):
        mq.engines()
    assert sum(pauses) == pytest.approx(600, abs=30)
    with client(always, retries=0) as mq, pytest.raises(LimitReached):
        mq.engines()


def test_an_invalid_request_is_not_repeated() -> None:
    calls = itertools.count()

    def answer(request: httpx.Request) -> httpx.Response:
        next(calls)
        return httpx.Response(422, json=PROBLEM)

    with client(answer) as mq, pytest.raises(InvalidRequest) as caught:
        mq.segment(MediaRef(id=REF), text="cat")
    assert (caught.value.code, caught.value.status, next(calls)) == ("some_code", 422, 1)


def test_a_service_that_stays_down_raises() -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with client(down, retries=2) as mq, pytest.raises(ConnectionFailed):
        mq.engines()

    def broken(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, text="<html>no</html>")

    with client(broken, retries=1) as mq, pytest.raises(ServiceError) as caught:
        mq.engines()
    assert caught.value.code == "http_503"


def test_a_failed_job_raises_its_problem_and_a_slow_one_can_be_waited_for_again() -> None:
    state = {"job": dict(JOB)}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202 if request.method == "POST" else 200, json=state["job"])

    with client(answer) as mq:
        job = mq.segment(MediaRef(id=REF), text="cat")
        with pytest.raises(WaitTimeout):
            job.wait(timeout=0.05)
        state["job"] |= {"state": "failed", "problem": PROBLEM}
        with pytest.raises(JobFailed) as caught:
            job.wait()
    assert caught.value.code == "some_code"


def test_the_service_may_add_fields_that_this_client_does_not_know() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=json.dumps({**JOB, "new_field": {"deep": 1}}))

    with client(answer) as mq:
        assert mq.job(JOB["id"]).state == "queued"


def test_the_async_client_retries_waits_and_saves_as_the_blocking_one(tmp_path: Path) -> None:
    content = b"a preview"
    digest = hashlib.sha256(content).hexdigest()
    manifest = {
        "result": {"kind": "segment", "width": 4, "height": 3, "instances": []},
        "artefacts": [
            {"name": "a.txt", "role": "preview", "sha256": digest, "media_type": "text/plain", "bytes": 9}
        ],
        "provenance": {"code_version": "1", "engines": [], "seed": 0, "parameters": {}, "sources": []},
    }
    answers = itertools.count()

    def answer(request: httpx.Request) -> httpx.Response:
        if next(answers) == 0:
            return httpx.Response(503, json=PROBLEM)
        if request.url.path.startswith("/v1/artefacts/"):
            return httpx.Response(200, content=content)
        return httpx.Response(200, json={**JOB, "state": "succeeded", "result": manifest})

    async def run() -> Path:
        states: list[str] = []
        async with AsyncMaquette("http://test", transport=httpx.MockTransport(answer)) as mq:
            job = await mq.segment(MediaRef(id=REF), text="cat")
            result = await job.wait(progress=lambda seen: states.append(seen.state))
            assert states == ["succeeded"] and result.instances == []
            saved: Path = await result.save(tmp_path / "out")
            return saved

    folder = asyncio.run(run())
    assert (folder / "a.txt").read_bytes() == content
    assert json.loads((folder / "result.json").read_text())["provenance"]["code_version"] == "1"


def test_a_version_is_decided_again_by_other_bounds() -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(202, json=JOB)

    earlier = "job_" + "1" * 28
    with client(answer) as mq:
        mq.regate(earlier, {"flicker": {"high": 0.2}, "area": Bounds(low=10)}, publish="s3://b/c")
    [request] = sent
    assert (request["kind"], request["from_job"], request["publish"]) == ("dataset", earlier, "s3://b/c")
    assert request["gates"]["flicker"]["high"] == 0.2 and request["gates"]["area"]["low"] == 10


def test_old_names_warn_and_keep_working() -> None:
    with pytest.warns(DeprecationWarning, match="PromptResult"):
        assert sessions.Prompted is PromptResult
    with pytest.warns(DeprecationWarning, match="from_code"):
        assert Problem.of("some_code", 422, "say so") == Problem.from_code("some_code", 422, "say so")


def test_the_text_of_an_error_holds_all_that_helps() -> None:
    problem = Problem.from_code(
        "unknown_phrase", 422, "no 'wrench'", suggestions=["bench"], vocabulary=["bench", "cup"]
    )
    assert str(InvalidRequest(problem)).splitlines() == [
        "no 'wrench' [unknown_phrase]",
        "did you mean bench?",
        "known are bench, cup",
    ]


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(410, "artefact_gone", Gone), (507, "storage_full", StorageFull)]
)
def test_lost_files_and_full_disks_have_exception_types(status: int, code: str, kind: type[ApiError]) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        problem = Problem.from_code(code, status, "what to do")
        return httpx.Response(status, content=problem.model_dump_json())

    with client(answer) as mq, pytest.raises(kind, match=f"what to do .{code}.") as caught:
        mq.job("job_" + "0" * 28)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_an_upload_that_is_refused_before_its_end_says_why(tmp_path: Path) -> None:
    """A full disk is answered while the client still sends."""
    (tmp_path / "large.mp4").write_bytes(bytes(8 << 20))
    problem = Problem.from_code("storage_full", 507, "no space left").model_dump_json().encode()

    class Full(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def do_POST(self) -> None:
            self.rfile.read(1 << 16)
            self.send_response(507)
            self.send_header("Content-Length", str(len(problem)))
            self.end_headers()
            self.wfile.write(problem)
            self.wfile.flush()
            # as the gateway does, discard what was on its way
            self.rfile.read((8 << 20) - (1 << 16))

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Full) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            with Maquette(url, retries=0) as mq, pytest.raises(StorageFull):
                mq.upload(tmp_path / "large.mp4")
        finally:
            server.shutdown()
