"""The gateway's contract without any worker: durable jobs, clear refusals, and nobody else's data."""

import hashlib
import json
import re
import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from maquette.contract import JobRequest
from pydantic import TypeAdapter

from service.dispatch.routing import Router
from service.problems import ServiceProblem
from service.state import State
from storage.ledger import fleet, jobs, leases
from tests.support.ledger_files import add_artefact
from tests.support.media_files import encode_png, make_gradient

IMAGE = encode_png(make_gradient())


@pytest.fixture
def image(gateway: TestClient) -> str:
    return str(gateway.post("/v1/uploads", content=IMAGE).json()["id"])


def body(image: str, **more: Any) -> dict[str, Any]:
    return {"kind": "segment", "image": {"id": image}, "text": ["cat"], **more}


def finish(state: State, job_id: str, manifest: dict[str, Any] | None = None) -> None:
    """End a job as a worker would."""
    job = leases.claim(state.db, job_id, "w", 30)
    assert job is not None
    content = manifest or {
        "result": {"kind": "segment", "width": 64, "height": 48, "instances": []},
        "artefacts": [],
        "provenance": {"code_version": "0", "engines": [], "seed": 0, "parameters": {}, "sources": []},
    }
    assert leases.succeed(state.db, job, state.store.put(json.dumps(content).encode()))


def test_a_job_is_durable_although_the_queue_is_down(
    gateway: TestClient, state: State, tenant: str, image: str
) -> None:
    answer = gateway.post("/v1/jobs", json=body(image))
    assert answer.status_code == 202
    document = answer.json()
    assert document["state"] == "queued" and document["result"] is None
    assert answer.headers["location"] == f"/v1/jobs/{document['id']}"
    stored = jobs.get(state.db, tenant, document["id"])
    assert stored is not None and json.loads(stored.request)["text"] == ["cat"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("objects", {"text": ["cat"]}),
        ("bodies", {}),
        ("scene", {"text": ["cat"]}),
    ],
)
def test_every_kind_on_an_image_is_taken(
    gateway: TestClient, image: str, kind: str, more: dict[str, Any]
) -> None:
    answer = gateway.post("/v1/jobs", json={"kind": kind, "image": {"id": image}, **more})
    assert answer.status_code == 202, answer.text


def test_prefer_wait_answers_when_the_job_is_over(
    gateway: TestClient, state: State, tenant: str, image: str
) -> None:
    def work() -> None:
        while not (rows := jobs.list_page(state.db, tenant, kind=None, state="queued", before=None, limit=1)):
            time.sleep(0.01)
        finish(state, rows[0].id)

    worker = threading.Thread(target=work)
    worker.start()
    answer = gateway.post("/v1/jobs", json=body(image), headers={"Prefer": "wait=10"})
    worker.join()
    assert answer.status_code == 200
    assert answer.json()["state"] == "succeeded"
    assert answer.json()["result"]["result"]["kind"] == "segment"
    late = gateway.post("/v1/jobs", json=body(image), headers={"Prefer": "wait=1"})
    assert (late.status_code, late.json()["state"]) == (202, "queued")


def test_idempotency(gateway: TestClient, image: str) -> None:
    headers = {"Idempotency-Key": "once"}
    first = gateway.post("/v1/jobs", json=body(image), headers=headers).json()["id"]
    assert gateway.post("/v1/jobs", json=body(image), headers=headers).json()["id"] == first
    other = gateway.post("/v1/jobs", json=body(image, seed=7), headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(gateway.get("/v1/jobs").json()["jobs"]) == 1


def test_pages_of_jobs(gateway: TestClient, image: str) -> None:
    ids = [gateway.post("/v1/jobs", json=body(image)).json()["id"] for _ in range(5)]
    first = gateway.get("/v1/jobs", params={"limit": 3}).json()
    second = gateway.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == sorted(ids, reverse=True)
    assert second["next_cursor"] is None
    assert gateway.get("/v1/jobs", params={"kind": "bodies"}).json()["jobs"] == []


def test_cancel(gateway: TestClient, image: str) -> None:
    job_id = gateway.post("/v1/jobs", json=body(image)).json()["id"]
    answer = gateway.post(f"/v1/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_events_replay_and_resume(gateway: TestClient, state: State, image: str) -> None:
    job_id = gateway.post("/v1/jobs", json=body(image)).json()["id"]
    job = leases.claim(state.db, job_id, "w", 30)
    assert job is not None
    leases.heartbeat(state.db, job, 30, {"stage": "embed", "done": 1, "total": 2})
    leases.fail(state.db, job, {"code": "x"})
    stream = gateway.get(f"/v1/jobs/{job_id}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in stream.text.splitlines() if line.startswith("data: ")]
    assert [e["type"] for e in events] == ["state", "state", "progress", "state"]
    assert events[2]["data"]["stage"] == "embed"
    assert events[-1]["data"]["state"] == "failed"
    rest = gateway.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(events[1]["seq"])})
    again = [json.loads(line[6:]) for line in rest.text.splitlines() if line.startswith("data: ")]
    assert again == events[2:]


def test_artefacts_are_served_complete_in_ranges_or_not_modified(
    gateway: TestClient, state: State, tenant: str
) -> None:
    data = bytes(range(256)) * 1000
    sha256 = state.store.put(data)
    add_artefact(state.db, tenant, sha256, "model/gltf-binary", len(data))
    url = f"/v1/artefacts/{sha256}"
    whole = gateway.get(url)
    assert whole.content == data and hashlib.sha256(whole.content).hexdigest() == sha256
    assert whole.headers["content-type"] == "model/gltf-binary"
    assert whole.headers["etag"] == f'"{sha256}"'
    for wanted, expected in (
        ("bytes=10-19", data[10:20]),
        ("bytes=-5", data[-5:]),
        ("bytes=255990-", data[255990:]),
    ):
        part = gateway.get(url, headers={"Range": wanted})
        assert (part.status_code, part.content) == (206, expected)
    assert gateway.get(url, headers={"Range": "bytes=10-19"}).headers["content-range"] == "bytes 10-19/256000"
    beyond = gateway.get(url, headers={"Range": "bytes=256000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */256000")
    assert gateway.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    stale = gateway.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (stale.status_code, len(stale.content)) == (200, 256_000)
    head = gateway.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "256000", b"")


def test_nothing_of_another_tenant_is_visible(
    gateway: TestClient, state: State, tenant: str, image: str, stranger: dict[str, str]
) -> None:
    job_id = gateway.post("/v1/jobs", json=body(image)).json()["id"]
    sha256 = state.store.put(b"secret")
    add_artefact(state.db, tenant, sha256, "text/plain", 6)
    for method, path in (
        ("GET", f"/v1/jobs/{job_id}"),
        ("GET", f"/v1/jobs/{job_id}/events"),
        ("POST", f"/v1/jobs/{job_id}/cancel"),
        ("GET", f"/v1/artefacts/{sha256}"),
        ("GET", f"/v1/uploads/{image}"),
    ):
        assert gateway.request(method, path, headers=stranger).status_code == 404, path
    assert gateway.get("/v1/jobs", headers=stranger).json()["jobs"] == []
    foreign = gateway.post("/v1/jobs", json={"kind": "objects", "from_job": job_id}, headers=stranger)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "job_unknown")
    media = gateway.post("/v1/jobs", json=body(image), headers=stranger)
    assert (media.status_code, media.json()["code"]) == (404, "media_unknown")
    assert gateway.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"


def test_without_a_key_nothing_is_disclosed(gateway: TestClient) -> None:
    for headers in (
        {"Authorization": ""},
        {"Authorization": "Bearer mq_wrong"},
        {"Authorization": "Basic x"},
    ):
        answer = gateway.get("/v1/jobs", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    key = gateway.headers["authorization"].removeprefix("Bearer ")
    assert gateway.get("/v1/jobs", headers={"Authorization": "", "X-API-Key": key}).status_code == 200


def test_engines_report_what_runs_and_why_not(gateway: TestClient, state: State) -> None:
    absent = {engine["name"]: engine for engine in gateway.get("/v1/engines").json()["engines"]}
    assert not absent["sam3"]["available"] and "weights" in absent["sam3"]["why_not"]
    stated = {
        "name": "test",
        "kind": "concepts",
        "version": "1",
        "device": "cpu",
        "licence": "Apache-2.0",
        "capabilities": ["phrases"],
        "limits": ["few words"],
        "vocabulary": ["cat"],
        "weights": {"a.onnx": "0" * 64},
        "available": True,
    }
    fleet.announce(state.db, "w1", "default", [stated])
    actual = {engine["name"]: engine for engine in gateway.get("/v1/engines").json()["engines"]}["test"]
    assert actual["available"] and actual["workers"] == 1 and actual["vocabulary"] == ["cat"]


def test_probes_and_metrics(gateway: TestClient, image: str) -> None:
    gateway.post("/v1/jobs", json=body(image))
    assert gateway.get("/healthz", headers={"Authorization": ""}).json() == {"status": "ok"}
    assert gateway.get("/readyz", headers={"Authorization": ""}).json()["status"] == "ready"
    assert gateway.get("/metrics", headers={"Authorization": ""}).status_code == 401
    text = gateway.get("/metrics").text
    queued = re.search(r'maquette_jobs\{queue="default",state="queued"\} (\d+)', text)
    assert queued is not None and int(queued.group(1)) >= 1
    assert 'route="/v1/jobs"' in text


def test_unknown_paths_and_methods_are_problems(gateway: TestClient) -> None:
    for method, path, code in (
        ("GET", "/v2/jobs", "not_found"),
        ("DELETE", "/v1/jobs", "method_not_allowed"),
    ):
        answer = gateway.request(method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code


def test_auto_takes_the_best_engine_that_is_connected(
    application: TestClient, state: State, gateway: TestClient, image: str
) -> None:
    stated = {"name": "sam3", "kind": "concepts", "available": True}
    fleet.announce(state.db, "big", "sam3", [stated])
    router = Router(state.db, 20)
    try:
        options = TypeAdapter(JobRequest).validate_python
        request = {"kind": "segment", "image": {"id": image}, "text": ["a red quasar"]}
        assert router.choose_queue(options(request)) == "sam3"
        assert router.choose_queue(options({**request, "engine": "default"})) == "default"
        assert router.choose_queue(options({**request, "kind": "scene"})) == "default"
    finally:
        fleet.leave(state.db, "big")


@pytest.mark.parametrize(
    ("more", "is_accepted"),
    [
        ({"kind": "objects", "text": ["cup"]}, False),
        ({"kind": "objects", "boxes": [{"x0": 0, "y0": 0, "x1": 9, "y1": 9}]}, False),
        ({"kind": "objects", "image": None, "from_job": "job_" + "0" * 28}, True),
        ({"kind": "bodies"}, False),
        ({"kind": "bodies", "boxes": [{"x0": 0, "y0": 0, "x1": 9, "y1": 9}]}, True),
        ({"kind": "bodies", "image": None, "from_job": "job_" + "0" * 28}, True),
        ({"kind": "bodies", "image": None, "video": {"id": "0" * 64}}, False),
    ],
)
def test_prompts_that_the_workers_of_an_engine_cannot_answer_are_refused_at_once(
    state: State, image: str, more: dict[str, Any], is_accepted: bool
) -> None:
    kind = more["kind"]
    fleet.announce(state.db, "big", "big", [{"name": "huge", "kind": kind, "available": True}])
    router, medium = Router(state.db, 20), {"image": {"id": image}}
    request = TypeAdapter(JobRequest).validate_python({**medium, "engine": "huge", **more})
    try:
        if is_accepted:
            assert router.choose_queue(request) == "big"
            return
        with pytest.raises(ServiceProblem, match="from_job") as refused:
            router.choose_queue(request)
        assert refused.value.problem.status == 422
        both = [{"name": "huge", "kind": kind, "available": True}, {"name": "c", "kind": "concepts"}]
        fleet.announce(state.db, "big", "big", [{**each, "available": True} for each in both])
        assert Router(state.db, 20).choose_queue(request) == "big"
    finally:
        fleet.leave(state.db, "big")
