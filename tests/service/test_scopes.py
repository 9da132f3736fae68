"""What a key may do, and when it ends, over HTTP."""

import json

import pytest
from fastapi.testclient import TestClient

from service.guards.key_ring import KeyRing
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
    ("GET", "/v1/keys", "admin"),
    ("POST", "/v1/keys", "admin"),
    ("POST", "/v1/keys/00/rotate", "admin"),
    ("DELETE", "/v1/keys/00", "admin"),
    ("GET", "/v1/audit", "admin"),
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


def test_a_tenant_manages_its_own_keys_alone(application: TestClient, state: State, tenant: str) -> None:
    admin = headers(state, tenant, "admin")
    made = application.post("/v1/keys", json={"name": "viewer", "scopes": ["read"]}, headers=admin)
    secret = made.json()["secret"]
    reader = {"Authorization": f"Bearer {secret}"}
    assert made.status_code == 201 and application.get("/v1/jobs", headers=reader).status_code == 200
    listed = application.get("/v1/keys", headers=admin).json()["keys"]
    assert [(key["name"], key["scopes"]) for key in listed] == [("test", ["admin"]), ("viewer", ["read"])]
    assert secret not in str(listed)
    key_id = listed[1]["id"]
    other = headers(state, "other", "admin")
    for method, path in (("DELETE", f"/v1/keys/{key_id}"), ("POST", f"/v1/keys/{key_id}/rotate")):
        answer = application.request(method, path, headers=other, json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "key_unknown"), path
    new = application.post(f"/v1/keys/{key_id}/rotate", json={"overlap_seconds": 60}, headers=admin)
    assert application.get("/v1/jobs", headers={"X-API-Key": new.json()["secret"]}).status_code == 200
    assert application.get("/v1/jobs", headers=reader).status_code == 200
    assert application.delete(f"/v1/keys/{key_id}", headers=admin).status_code == 204
    # on the gateway that revoked it, at once
    assert application.get("/v1/jobs", headers=reader).status_code == 401


def test_a_tenant_reads_its_own_audit_log_alone(application: TestClient, state: State, tenant: str) -> None:
    admin = headers(state, tenant, "admin")
    secret = application.post("/v1/keys", json={"name": "viewer"}, headers=admin).json()["secret"]
    keys.create(state.db, "other", "theirs")
    answer = application.get("/v1/audit", headers=admin)
    assert answer.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["detail"]["name"] for line in lines] == ["test", "viewer"]
    assert lines[1]["actor"].startswith("key:") and secret not in answer.text
    for odd in ("0.5", "1", "-", "2026-01-01T00:00:00"):
        refused = application.get("/v1/audit", headers=admin, params={"until": odd})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), odd
    late = application.get("/v1/audit", headers=admin, params={"since": "2999-01-01T00:00:00Z"})
    assert late.text == ""


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "a\nb"}, {"name": "x", "scopes": ["root"]}, {"name": "x", "expires_days": 0}],
)
def test_keys_that_make_no_sense_are_refused(
    application: TestClient, state: State, tenant: str, body: dict[str, object]
) -> None:
    answer = application.post("/v1/keys", json=body, headers=headers(state, tenant, "admin"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
