"""Deleting over HTTP: what is gone, what is refused while something needs it, and what others see."""

import json
import re
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.state import State
from storage.collection import Collector
from storage.ledger import JobRow, audit, blobs, jobs, keys, leases
from storage.ledger.retention import Retention
from tests.support.media_files import encode_png


@pytest.fixture
def content(tenant: str) -> bytes:
    """An image that no other test has: files are shared by tenants."""
    return encode_png(np.random.default_rng(list(tenant.encode())).integers(0, 255, (48, 64, 3), np.uint8))


@pytest.fixture
def image(gateway: TestClient, content: bytes) -> str:
    return str(gateway.post("/v1/uploads", content=content).json()["id"])


def submit(gateway: TestClient, image: str, **more: Any) -> str:
    body = {"kind": "segment", "image": {"id": image}, "text": ["cat"], **more}
    return str(gateway.post("/v1/jobs", json=body).json()["id"])


def store(state: State, job: JobRow, data: bytes, role: str = blobs.RESULT) -> str:
    """Store a file of a job as a worker does."""

    def claim(sha256: str, size: int) -> None:
        assert blobs.claim(state.db, job, role, sha256, size, "text/plain")

    return state.store.put(data, claim)


def finish(state: State, job_id: str, image: str) -> dict[str, Any]:
    """End a job with one artefact as a worker would; returns the artefact."""
    job = leases.claim(state.db, job_id, "w", 30)
    assert job is not None
    masks = f"masks in {image}".encode()
    sha256 = store(state, job, masks)
    artefact = {
        "name": "m",
        "role": "masks",
        "sha256": sha256,
        "media_type": "text/plain",
        "bytes": len(masks),
    }
    manifest = {
        "result": {"kind": "segment", "width": 64, "height": 48, "instances": []},
        "artefacts": [artefact],
        "provenance": {"code_version": "0", "engines": [], "seed": 0, "parameters": {}, "sources": [image]},
        "reason": job_id,
    }
    assert leases.succeed(state.db, job, store(state, job, json.dumps(manifest).encode()))
    return artefact


def collect(state: State, **kept: float) -> None:
    Collector(state.db, state.store, Retention(**kept), grace_seconds=-1).collect()


def admin(state: State, tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create(state.db, tenant, 'admin', scopes=['admin'])}"}


def refusal(gateway: TestClient, path: str) -> tuple[int, str]:
    answer = gateway.delete(path)
    return answer.status_code, answer.json()["code"]


def test_a_deleted_job_is_gone_with_its_events_and_files(
    gateway: TestClient, state: State, tenant: str, image: str, content: bytes
) -> None:
    job_id = submit(gateway, image)
    artefact = finish(state, job_id, image)
    manifest = gateway.get(f"/v1/jobs/{job_id}").json()["result_sha256"]
    assert gateway.get(f"/v1/artefacts/{artefact['sha256']}").content == f"masks in {image}".encode()
    for _ in range(2):
        assert gateway.delete(f"/v1/jobs/{job_id}").status_code == 204
    for path in (f"jobs/{job_id}", f"jobs/{job_id}/events", f"artefacts/{artefact['sha256']}"):
        assert gateway.get(f"/v1/{path}").status_code == 404, path
    assert gateway.get("/v1/jobs").json()["jobs"] == []
    assert jobs.list_events(state.db, job_id, 0) == []
    collect(state)
    assert not state.store.has(artefact["sha256"]) and not state.store.has(manifest)
    assert gateway.get(f"/v1/uploads/{image}").status_code == 200
    assert state.store.get(image) == content


def test_a_deleted_job_frees_its_idempotency_key(gateway: TestClient, state: State, image: str) -> None:
    body = {"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    first = gateway.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"}).json()["id"]
    finish(state, first, image)
    gateway.delete(f"/v1/jobs/{first}")
    second = gateway.post("/v1/jobs", json={**body, "seed": 1}, headers={"Idempotency-Key": "k"})
    assert second.status_code == 202 and second.json()["id"] != first


def test_what_is_left_of_a_deleted_job_says_nothing_of_its_content(
    gateway: TestClient, state: State, image: str
) -> None:
    job_id = submit(gateway, image, text=["umbrella"])
    finish(state, job_id, image)
    gateway.delete(f"/v1/jobs/{job_id}")
    with state.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM jobs WHERE id = ?", (job_id,)).mappings().all()
    [row] = rows
    assert row["kind"] == "segment" and row["state"] == "succeeded" and row["finished_at"] is not None
    assert "umbrella" not in str(dict(row)) and image not in str(dict(row))


def test_files_that_two_jobs_share_stay_until_the_second_is_deleted(
    gateway: TestClient, state: State, image: str
) -> None:
    first, second = submit(gateway, image), submit(gateway, image)
    artefact = finish(state, first, image)
    assert finish(state, second, image) == artefact
    url = f"/v1/artefacts/{artefact['sha256']}"
    gateway.delete(f"/v1/jobs/{first}")
    collect(state)
    assert gateway.get(url).content == f"masks in {image}".encode()
    gateway.delete(f"/v1/jobs/{second}")
    assert gateway.get(url).status_code == 404


def test_files_of_another_tenant_stay(
    gateway: TestClient, state: State, image: str, content: bytes, stranger: dict[str, str]
) -> None:
    theirs = gateway.post("/v1/uploads", content=content, headers=stranger)
    assert theirs.status_code in (200, 201)
    assert gateway.delete(f"/v1/uploads/{image}").status_code == 204
    collect(state)
    assert gateway.get(f"/v1/uploads/{image}").status_code == 404
    assert gateway.get(f"/v1/uploads/{image}", headers=stranger).status_code == 200
    assert state.store.get(image) == content


def test_nothing_of_another_tenant_can_be_deleted(
    gateway: TestClient, state: State, image: str, stranger: dict[str, str]
) -> None:
    job_id = submit(gateway, image)
    artefact = finish(state, job_id, image)
    # of the same bytes, the stranger has none
    gateway.delete(f"/v1/uploads/{image}", headers=stranger)
    for path in (f"jobs/{job_id}", f"uploads/{image}", f"artefacts/{artefact['sha256']}"):
        assert gateway.delete(f"/v1/{path}", headers=stranger).status_code == 404, path
        assert gateway.get(f"/v1/{path}").status_code == 200, path
    assert gateway.delete("/v1/tenant", headers=admin(state, "other")).status_code == 200
    assert gateway.get(f"/v1/jobs/{job_id}").status_code == 200


@pytest.mark.slow
def test_what_an_open_job_needs_cannot_be_deleted(
    gateway: TestClient, state: State, tenant: str, image: str
) -> None:
    job_id = submit(gateway, image)
    needed = (409, "still_needed")
    assert refusal(gateway, f"/v1/jobs/{job_id}") == needed
    assert refusal(gateway, f"/v1/uploads/{image}") == needed
    assert gateway.delete("/v1/tenant", headers=admin(state, tenant)).json()["code"] == "still_needed"
    artefact = finish(state, job_id, image)
    follower = gateway.post("/v1/jobs", json={"kind": "objects", "from_job": job_id}).json()["id"]
    for path in (f"jobs/{job_id}", f"uploads/{image}", f"artefacts/{artefact['sha256']}"):
        assert refusal(gateway, f"/v1/{path}") == needed, path
    # neither does retention take it
    collect(state, uploads=1e-9, results=1e-9)
    assert gateway.get(f"/v1/uploads/{image}").status_code == 200
    gateway.post(f"/v1/jobs/{follower}/cancel")
    for path in (f"artefacts/{artefact['sha256']}", f"jobs/{job_id}", f"uploads/{image}"):
        assert gateway.delete(f"/v1/{path}").status_code == 204, path


def test_a_session_keeps_its_video(gateway: TestClient, state: State, tenant: str, image: str) -> None:
    from storage.ledger import sessions

    session = sessions.add(state.db, tenant, image, 60, {"prompts": []})
    assert refusal(gateway, f"/v1/uploads/{image}") == (409, "still_needed")
    assert gateway.delete(f"/v1/sessions/{session.id}").status_code == 204
    assert gateway.delete(f"/v1/uploads/{image}").status_code == 204


def test_a_deleted_artefact_of_a_kept_job_answers_410(gateway: TestClient, state: State, image: str) -> None:
    job_id = submit(gateway, image)
    url = f"/v1/artefacts/{finish(state, job_id, image)['sha256']}"
    assert gateway.delete(url).status_code == 204
    answer = gateway.get(url)
    assert (answer.status_code, answer.json()["code"]) == (410, "artefact_gone")
    assert gateway.get(f"/v1/jobs/{job_id}").json()["result"]["artefacts"][0]["name"] == "m"
    collect(state, scratch=1e-9)
    assert not state.store.has(url.rpartition("/")[2])
    # the same job again makes the same file again
    finish(state, submit(gateway, image), image)
    assert gateway.get(url).content == f"masks in {image}".encode()


def test_an_upload_can_be_sent_again_while_it_is_collected(
    gateway: TestClient, state: State, image: str, content: bytes
) -> None:
    gateway.delete(f"/v1/uploads/{image}")
    assert gateway.post("/v1/uploads", content=content).status_code == 201
    collect(state)
    assert state.store.get(image) == content
    gateway.delete(f"/v1/uploads/{image}")
    collect(state)
    assert not state.store.has(image)
    assert gateway.post("/v1/uploads", content=content).status_code == 201
    assert state.store.get(image) == content


def test_an_upload_whose_file_was_lost_can_be_sent_again(
    gateway: TestClient, state: State, image: str, content: bytes
) -> None:
    state.store.remove([image])
    assert gateway.get(f"/v1/uploads/{image}").status_code == 404
    assert gateway.post("/v1/uploads", content=content).status_code == 201
    assert state.store.get(image) == content


def test_a_job_cannot_begin_on_an_upload_that_was_deleted(
    gateway: TestClient, state: State, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is deleted between the checks of the request and the row of the job."""
    from service.dispatch import submission

    check = submission.check_request

    def check_and_delete(*arguments: Any) -> None:
        check(*arguments)
        assert gateway.delete(f"/v1/uploads/{image}").status_code == 204

    monkeypatch.setattr(submission, "check_request", check_and_delete)
    answer = gateway.post("/v1/jobs", json={"kind": "segment", "image": {"id": image}, "text": ["cat"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "media_unknown")
    assert gateway.get("/v1/jobs").json()["jobs"] == []


def test_everything_of_a_tenant(gateway: TestClient, state: State, tenant: str, image: str) -> None:
    job_id = submit(gateway, image)
    artefact = finish(state, job_id, image)
    answer = gateway.delete("/v1/tenant", headers=admin(state, tenant)).json()
    assert answer == {"jobs": 1, "uploads": 1, "sessions": 0, "complete": True}
    for path in (f"jobs/{job_id}", f"uploads/{image}", f"artefacts/{artefact['sha256']}"):
        assert gateway.get(f"/v1/{path}").status_code == 404
    collect(state)
    assert not state.store.has(artefact["sha256"])


def test_each_deletion_is_audited_once_with_its_key_and_address(
    gateway: TestClient, state: State, tenant: str, image: str
) -> None:
    job_id = submit(gateway, image)
    artefact = finish(state, job_id, image)
    for path in (f"artefacts/{artefact['sha256']}", f"jobs/{job_id}", f"jobs/{job_id}", f"uploads/{image}"):
        gateway.delete(f"/v1/{path}")
    acts = list(audit.list_acts(state.db, tenant=tenant))
    done = [(act.action, act.subject) for act in acts if act.actor.startswith("key:")]
    assert done == [
        ("artefact.delete", artefact["sha256"]),
        ("job.delete", job_id),
        ("upload.delete", image),
    ]
    assert acts[-1].address == "testclient"


def test_what_retention_deletes_is_audited(
    gateway: TestClient, state: State, tenant: str, image: str
) -> None:
    collect(state, uploads=1e-9)
    acts = [act for act in audit.list_acts(state.db, tenant=tenant) if act.subject == image]
    assert [(act.actor, act.action) for act in acts] == [("retention", "upload.delete")]


def test_an_upload_goes_with_its_jobs(gateway: TestClient, state: State, image: str) -> None:
    first, unrelated = submit(gateway, image), submit(gateway, upload_other(gateway))
    url = f"/v1/uploads/{image}?with_jobs=true"
    finish(state, first, image)
    follower = gateway.post("/v1/jobs", json={"kind": "objects", "from_job": first}).json()["id"]
    assert refusal(gateway, url) == (409, "still_needed")
    assert gateway.get(f"/v1/jobs/{first}").status_code == 200
    gateway.post(f"/v1/jobs/{follower}/cancel")
    assert gateway.delete(url).status_code == 204
    left = [job["id"] for job in gateway.get("/v1/jobs").json()["jobs"]]
    assert left == [unrelated]
    assert gateway.delete(url).status_code == 404


def upload_other(gateway: TestClient) -> str:
    return str(gateway.post("/v1/uploads", content=encode_png(np.zeros((5, 7, 3), np.uint8))).json()["id"])


def test_collection_is_in_the_metrics(gateway: TestClient, state: State, image: str) -> None:
    from service import metrics
    from storage.collection import CollectionReport

    gateway.delete(f"/v1/uploads/{image}")
    metrics.record_collection(CollectionReport(files=3))
    text = gateway.get("/metrics").text
    waiting = re.search(r"^maquette_condemned_files (\S+)$", text, re.MULTILINE)
    assert waiting is not None and float(waiting.group(1)) >= 1
    counted = re.search(r'^maquette_collected_total\{what="files"\} (\S+)$', text, re.MULTILINE)
    assert counted is not None and float(counted.group(1)) >= 3
    assert "maquette_last_collection_timestamp_seconds" in text
