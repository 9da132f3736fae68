"""Nobody can stop the service: what is too much is refused early, and reads go on."""

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from service.guards.probing import ProbePool
from service.problems import ServiceProblem
from service.state import State
from tests.support.media_files import encode_png, make_gradient


def make_scope(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The ASGI scope of a POST request."""
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
    }


async def send_request(
    application: Any, path: str, headers: dict[str, str], pieces: Iterator[bytes]
) -> tuple[int, dict[bytes, bytes], int]:
    """Status, headers, and how many pieces of the body were read, without a server in between."""
    read = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal read
        piece = next(pieces, None)
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        read += 1
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    await application(make_scope(path, headers), receive, send)
    start = sent[0]
    return start["status"], dict(start["headers"]), read


def make_pieces(size: int, count: int) -> Iterator[bytes]:
    return iter([b"[" * size] * count)


def test_without_a_key_the_body_is_not_read(gateway: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    status, _, read = asyncio.run(send_request(gateway.app, "/v1/jobs", headers, make_pieces(1 << 20, 28)))
    assert (status, read) == (401, 0)


def test_a_large_body_is_refused_while_it_arrives(gateway: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Authorization": gateway.headers["Authorization"]}
    status, _, read = asyncio.run(send_request(gateway.app, "/v1/jobs", headers, make_pieces(1 << 20, 500)))
    assert status == 413
    assert read <= 34


def test_a_body_of_many_elements_is_refused_before_it_is_parsed(gateway: TestClient) -> None:
    body = b'{"kind":"segment","x":[' + b",".join([b"[]"] * 200_000) + b"]}"
    answer = gateway.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_complex")


def test_few_of_many_wrong_fields_are_named(gateway: TestClient) -> None:
    request = {"kind": "bodies", "video": {"id": "0" * 64}, "world_from_cam": [[[1] * 4] * 4] * 500}
    answer = gateway.post("/v1/jobs", json={**request, "boxes": [{"x": 1}] * 500})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 20


def test_forms_are_cut_at_the_limit(gateway: TestClient, state: State) -> None:
    """The limit of this gateway is 8 MB: neither the file nor what is no file may pass it."""
    for name in ("file", "other"):
        head = f'--B\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode()
        pieces = iter([head, *[b"\0" * (1 << 20)] * 100])
        headers = {
            "Content-Type": "multipart/form-data; boundary=B",
            "Authorization": gateway.headers["Authorization"],
        }
        status, _, read = asyncio.run(send_request(gateway.app, "/v1/uploads", headers, pieces))
        assert status == 413
        assert read <= 12
    assert list(state.store.scratch.iterdir()) == []


def test_an_upload_that_stalls_is_ended(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state.settings, "upload_idle_seconds", 0.05)

    async def stall() -> Message:
        await asyncio.sleep(30)
        raise AssertionError

    async def run() -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = make_scope("/v1/uploads", {"Authorization": gateway.headers["Authorization"]})
        await gateway.app(scope, stall, send)
        return int(sent[0]["status"])

    assert asyncio.run(run()) == 408


def test_probes_have_a_bounded_queue(tmp_path: Path) -> None:
    pool = ProbePool(processes=1, max_waiting=2)
    release = threading.Event()
    pool._probe = lambda _: (release.wait(10) and {}) or {}  # type: ignore[method-assign,assignment]

    async def run() -> list[str]:
        tasks = [asyncio.create_task(pool.probe(tmp_path)) for _ in range(6)]
        await asyncio.sleep(0.05)
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [item.problem.code if isinstance(item, ServiceProblem) else "probed" for item in results]

    outcomes = asyncio.run(run())
    pool.close()
    assert outcomes == ["probed"] * 3 + ["service_busy"] * 3


@pytest.mark.slow
def test_a_locked_ledger_is_503_and_reads_go_on(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = gateway.post("/v1/uploads", content=encode_png(make_gradient())).json()["id"]
    request = {"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    job_id = gateway.post("/v1/jobs", json=request).json()["id"]
    file = state.db.engine.url.database
    assert file is not None
    with state.db.write() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        started = time.monotonic()
        answer = gateway.post("/v1/jobs", json=request)
        waited = time.monotonic() - started
        assert gateway.get(f"/v1/jobs/{job_id}").status_code == 200
        assert gateway.get("/readyz").status_code == 200
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "ledger_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert waited < 15
    assert gateway.post("/v1/jobs", json=request).status_code == 202


def test_a_full_disk_is_507_and_nothing_is_kept(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("storage.artefacts.base.ArtefactWriter.write", write)
        answer = gateway.post("/v1/uploads", content=encode_png(make_gradient()) + b"full")
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert list(state.store.scratch.iterdir()) == []
    with monkeypatch.context() as patched:
        patched.setattr(type(state.store), "free_bytes", lambda _: 1)
        ready = gateway.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (507, "storage_full")
    assert gateway.get("/readyz").status_code == 200


def test_streams_are_capped(gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    image = gateway.post("/v1/uploads", content=encode_png(make_gradient())).json()["id"]
    request = {"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    job_id = gateway.post("/v1/jobs", json=request).json()["id"]
    monkeypatch.setattr(state.streams, "_max_per_tenant", 0)
    answer = gateway.get(f"/v1/jobs/{job_id}/events")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
    assert "Retry-After" in answer.headers
    assert isinstance(answer, httpx.Response)
