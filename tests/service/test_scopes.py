"""What a key may do, and when it ends, over HTTP."""

import pytest
from fastapi.testclient import TestClient

from service.guards.keys import KeyRing
from service.state import State
from storage.ledger import keys
from tests.support.media_files import encode_png, make_gradient


def headers(state: State, tenant: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create(state.db, tenant, 'test', scopes=scopes)}"}


REQUESTS = [
    ("GET", "/v1/jobs", "read"),
    ("HEAD", f"/v1/artefacts/{'0' * 64}", "read"),
    ("GET", "/metrics", "read"),
    ("POST", "/v1/uploads", "write"),
    ("POST", "/v1/jobs", "write"),
    ("DELETE", f"/v1/jobs/job_{'0' * 28}", "write"),
    ("DELETE", f"/v1/uploads/{'0' * 64}", "write"),
    ("DELETE", "/v1/tenant", "admin"),
    ("DELETE", "/v1/tenant/", "admin"),
]


@pytest.mark.parametrize(("method", "path", "needed"), REQUESTS, ids=lambda value: str(value)[:24])
def test_each_request_needs_its_scope(
    application: TestClient, state: State, tenant: str, method: str, path: str, needed: str
) -> None:
    for scope in keys.SCOPES:
        answer = application.request(method, path, headers=headers(state, tenant, scope))
        assert (answer.status_code == 403) == (scope != needed), scope
        if answer.status_code == 403 and method != "HEAD":
            assert answer.json()["code"] == "scope_missing" and needed in answer.json()["detail"]


def test_a_body_is_not_read_without_the_scope(application: TestClient, state: State, tenant: str) -> None:
    image = encode_png(make_gradient())
    answer = application.post("/v1/uploads", content=image, headers=headers(state, tenant, "read"))
    assert answer.status_code == 403
    assert application.get("/v1/jobs", headers=headers(state, tenant, "read")).json()["jobs"] == []


def test_an_expired_key_is_not_kept_open_by_the_cache(state: State, tenant: str) -> None:
    secret = keys.create(state.db, tenant, "test", expires_days=1e-7)
    ring = KeyRing(state.db, 60)
    assert ring.get_cached(secret) is None
    ring.find(secret)
    while ring.get_cached(secret) is not None:
        pass
    assert ring.find(secret) is None


def test_a_use_is_recorded(application: TestClient, state: State, tenant: str) -> None:
    application.get("/v1/jobs", headers=headers(state, tenant, "read"))
    [known] = [key for key in keys.list_open(state.db) if key.tenant == tenant]
    assert known.last_used_at is not None
