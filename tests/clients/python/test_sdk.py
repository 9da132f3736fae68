"""The SDK without a service: inputs, RLE, retries and errors."""

import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from maquette import ConnectionFailed, InvalidRequest, JobFailed, Maquette, ServiceError, WaitTimeout, inputs
from maquette.contract import MediaRef, Rle
from maquette.rle import decode, encode
from PIL import Image
from pycocotools import mask as coco

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
def test_rle_is_what_coco_makes(mask: Any) -> None:
    theirs = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    ours = encode(mask)
    assert ours.counts == theirs["counts"].decode()
    assert ours.size == tuple(theirs["size"])
    np.testing.assert_array_equal(decode(ours), mask)


@pytest.mark.parametrize("counts", ["5", "T3T3", "ZZZZZZ"])
def test_broken_rle_is_refused(counts: str) -> None:
    with pytest.raises(ValueError, match="fill"):
        decode(Rle(size=(10, 10), counts=counts))


def test_points_may_be_given_in_every_sensible_way() -> None:
    single = inputs.points([(3, 4), [(1, 2), (5, 6, 0)], np.array([[7.0, 8.0]])])
    assert [[(p.x, p.y, p.label) for p in group] for group in single] == [
        [(3, 4, 1)],
        [(1, 2, 1), (5, 6, 0)],
        [(7, 8, 1)],
    ]


def test_media_may_be_given_in_every_sensible_way(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    assert isinstance(inputs.media(pixels), bytes)
    assert isinstance(inputs.media(Image.fromarray(pixels)), bytes)
    assert inputs.media("https://example.com/a.png") == "https://example.com/a.png"
    (tmp_path / "a.png").write_bytes(b"x")
    assert inputs.media(str(tmp_path / "a.png")) == tmp_path / "a.png"
    with pytest.raises(FileNotFoundError):
        inputs.media("nowhere.png")


def test_a_camera_matrix_is_understood() -> None:
    camera = inputs.camera(np.array([[500, 0, 320], [0, 510, 240], [0, 0, 1]]))
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 510, 320, 240)


def client(answer: Any, retries: int = 4) -> Maquette:
    return Maquette("http://test", api_key="k", retries=retries, transport=httpx.MockTransport(answer))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maquette.drivers.backoff", lambda *_: 0.0)


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


def test_what_cannot_succeed_is_not_tried_again() -> None:
    calls = itertools.count()

    def answer(request: httpx.Request) -> httpx.Response:
        next(calls)
        return httpx.Response(422, json=PROBLEM)

    with client(answer) as mq, pytest.raises(InvalidRequest) as caught:
        mq.segment(MediaRef(id=REF), text="cat")
    assert (caught.value.code, caught.value.status, next(calls)) == ("some_code", 422, 1)


def test_a_service_that_stays_down_is_said_to_be() -> None:
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
