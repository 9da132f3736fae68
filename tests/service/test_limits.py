"""Limits of a tenant over HTTP: what is over them is refused early, says why, and leaves no trace."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.guards.limits import TenantLimits
from service.state import State
from storage.ledger import deletion, jobs, leases, tenants, usage
from storage.ledger.usage import Limits
from tests.support.media_files import encode_png


def make_image(seed: int) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8))


def allow(state: State, tenant: str, **limits: float) -> None:
    tenants.change_settings(state.db, tenant, {f"max_{name}": value for name, value in limits.items()})
    state.limits._known.clear()


def submit(gateway: TestClient, image: str, **headers: str) -> Any:
    body = {"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    return gateway.post("/v1/jobs", json=body, headers=headers)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_stored_bytes(gateway: TestClient, state: State, tenant: str) -> None:
    first, second = make_image(1), make_image(2)
    allow(state, tenant, stored_bytes=len(first) + 10)
    image = gateway.post("/v1/uploads", content=first).json()["id"]
    refused = gateway.post("/v1/uploads", content=second)
    assert code(refused) == (413, "storage_quota_exceeded")
    used = gateway.get("/v1/usage").json()["stored_bytes"]
    assert used == {"used": len(first), "limit": len(first) + 10}
    # the same bytes count once, whatever needs them
    assert submit(gateway, image).status_code == 202
    assert gateway.get("/v1/usage").json()["stored_bytes"]["used"] == len(first)
    [job] = gateway.get("/v1/jobs").json()["jobs"]
    gateway.post(f"/v1/jobs/{job['id']}/cancel")
    gateway.delete(f"/v1/jobs/{job['id']}")
    gateway.delete(f"/v1/uploads/{image}")
    assert gateway.post("/v1/uploads", content=second).status_code == 201


def test_an_upload_without_a_length_cannot_pass_the_limit(
    gateway: TestClient, state: State, tenant: str
) -> None:
    image = make_image(3)
    allow(state, tenant, stored_bytes=len(image) - 1)

    def pieces() -> Any:
        yield image

    assert code(gateway.post("/v1/uploads", content=pieces())) == (413, "storage_quota_exceeded")
    assert usage.get_usage(state.db, tenant).stored_bytes == 0


def test_queued_jobs(gateway: TestClient, state: State, tenant: str) -> None:
    image = gateway.post("/v1/uploads", content=make_image(4)).json()["id"]
    allow(state, tenant, queued_jobs=2)
    ids = [submit(gateway, image).json()["id"] for _ in range(2)]
    refused = submit(gateway, image)
    assert code(refused) == (429, "too_many_jobs")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit-Policy"] == '"queued-jobs";q=2, "requests";q=5000;w=10'
    assert refused.headers["RateLimit"].startswith('"queued-jobs";r=0;t=')
    assert gateway.get("/v1/usage").json()["queued_jobs"] == {"used": 2, "limit": 2}
    assert leases.claim(state.db, ids[0], "w", 30) is not None
    assert gateway.get("/v1/usage").json()["running_jobs"]["used"] == 1
    assert submit(gateway, image).status_code == 202


def test_a_refused_job_frees_its_idempotency_key(gateway: TestClient, state: State, tenant: str) -> None:
    image = gateway.post("/v1/uploads", content=make_image(5)).json()["id"]
    allow(state, tenant, queued_jobs=1)
    first = submit(gateway, image, **{"Idempotency-Key": "a"}).json()["id"]
    # the same request again is the same job, not one more
    assert submit(gateway, image, **{"Idempotency-Key": "a"}).json()["id"] == first
    assert submit(gateway, image, **{"Idempotency-Key": "b"}).status_code == 429
    gateway.post(f"/v1/jobs/{first}/cancel")
    assert submit(gateway, image, **{"Idempotency-Key": "b"}).status_code == 202


@pytest.mark.parametrize("name", ["job_bytes", "job_frames", "job_pixels"])
def test_media_of_one_job(gateway: TestClient, state: State, tenant: str, name: str) -> None:
    content = make_image(6)
    image, other = (
        gateway.post("/v1/uploads", content=data).json()["id"] for data in (content, make_image(7))
    )
    size = {"job_bytes": len(content), "job_frames": 1, "job_pixels": 64 * 48}[name]
    allow(state, tenant, **{name: size})
    assert submit(gateway, image).status_code == 202
    body = {
        "kind": "segment",
        "image": {"id": image},
        "text": ["cat"],
        "exemplars": [{"box": {"x0": 1, "y0": 1, "x1": 9, "y1": 9}, "image": {"id": other}}],
    }
    assert code(gateway.post("/v1/jobs", json=body)) == (413, "job_too_large")


def test_requests_per_second(
    gateway: TestClient, state: State, tenant: str, stranger: dict[str, str]
) -> None:
    allow(state, tenant, requests_per_second=0.2)
    answers = [gateway.get("/v1/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"requests";q=2;w=10'
    assert answers[0].headers["RateLimit"] == '"requests";r=1;t=5'
    refused = answers[-1]
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["RateLimit"].startswith('"requests";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= 5
    # nobody else waits for it
    assert gateway.get("/v1/jobs", headers=stranger).status_code == 200


def test_tokens_come_back(state: State, tenant: str) -> None:
    moment = 1000.0
    ledger: Any = SimpleNamespace(time=SimpleNamespace(monotonic=lambda: moment))
    guard, limits = TenantLimits(ledger, state.settings), Limits(requests_per_second=2)
    grants = [guard.take(tenant, limits) for _ in range(21)]
    assert [grant is not None and grant.allowed for grant in grants] == [True] * 20 + [False]
    moment += 1
    again = [guard.take(tenant, limits) for _ in range(3)]
    assert [grant is not None and grant.allowed for grant in again] == [True, True, False]


def test_running_jobs(gateway: TestClient, state: State, tenant: str) -> None:
    from storage.ledger import fairness

    image = gateway.post("/v1/uploads", content=make_image(8)).json()["id"]
    ids = [submit(gateway, image).json()["id"] for _ in range(3)]
    with state.db.write() as connection:
        # a queue that no other test uses
        connection.exec_driver_sql("UPDATE jobs SET queue = ? WHERE tenant = ?", (tenant, tenant))
    allow(state, tenant, running_jobs=1)
    held = fairness.claim_next(state.db, tenant, "w", 30)
    assert held is not None and held.id == ids[0]
    assert fairness.claim_next(state.db, tenant, "w", 30) is None
    assert leases.claim(state.db, ids[1], "w", 30) is None
    assert leases.fail(state.db, held, {"code": "x"})
    second = fairness.claim_next(state.db, tenant, "w", 30)
    assert second is not None and second.id == ids[1]
    allow(state, tenant, running_jobs=0)
    assert fairness.claim_next(state.db, tenant, "w", 30) is not None


def test_a_deleted_job_does_not_count(gateway: TestClient, state: State, tenant: str) -> None:
    image = gateway.post("/v1/uploads", content=make_image(9)).json()["id"]
    job_id = submit(gateway, image).json()["id"]
    jobs.cancel(state.db, tenant, job_id)
    assert deletion.delete_job(state.db, tenant, job_id)
    known = usage.get_usage(state.db, tenant)
    assert (known.queued_jobs, known.running_jobs) == (0, 0)


def test_a_service_without_space_says_so_before_it_suffers(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = gateway.post("/v1/uploads", content=make_image(10)).json()["id"]
    free = state.settings.min_free_bytes
    with monkeypatch.context() as patched:
        patched.setattr(type(state.store), "free_bytes", lambda _: free - 1)
        for answer in (gateway.post("/v1/uploads", content=make_image(11)), submit(gateway, image)):
            assert code(answer) == (503, "service_full") and answer.headers["Retry-After"] == "30"
        assert gateway.get(f"/v1/uploads/{image}").status_code == 200
        # an upload that would take the reserve
        patched.setattr(type(state.store), "free_bytes", lambda _: free + 10)
        assert code(gateway.post("/v1/uploads", content=make_image(11))) == (503, "service_full")
    assert submit(gateway, image).status_code == 202
