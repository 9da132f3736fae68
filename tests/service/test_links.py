"""Links to artefacts: they open one file without a key, and nothing else, until they or their key end."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from service.state import State
from storage.ledger import keys
from tests.support.ledger_files import add_artefact

DATA = b"glTF and so on"


@pytest.fixture
def sha256(gateway: TestClient, state: State, tenant: str) -> str:
    digest = state.store.put(DATA)
    add_artefact(state.db, tenant, digest, "model/gltf-binary", len(DATA))
    return digest


@pytest.fixture
def path(gateway: TestClient, sha256: str) -> str:
    answer = gateway.post(f"/v1/artefacts/{sha256}/links", json={"expires_seconds": 60})
    assert answer.status_code == 201
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert abs(datetime.fromisoformat(answer.json()["expires_at"]) - soon) < timedelta(seconds=5)
    return str(answer.json()["path"])


@pytest.fixture
def browser(gateway: TestClient, path: str) -> TestClient:
    """The gateway as somebody without a key sees it."""
    del gateway.headers["Authorization"]
    return gateway


def code(browser: TestClient, path: str, method: str = "GET") -> tuple[int, str]:
    answer = browser.request(method, path)
    return answer.status_code, answer.json()["code"]


def test_a_link_opens_without_a_key_in_any_page(browser: TestClient, path: str) -> None:
    answer = browser.get(path, headers={"Origin": "https://viewer.example"})
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert answer.headers["access-control-allow-origin"] == "*"
    seconds = int(answer.headers["cache-control"].removeprefix("private, max-age="))
    assert 40 <= seconds <= 61
    assert browser.get(path, headers={"Range": "bytes=0-3"}).content == DATA[:4]
    assert browser.head(path).headers["content-length"] == str(len(DATA))


def test_a_link_opens_nothing_else(
    browser: TestClient, state: State, tenant: str, sha256: str, path: str
) -> None:
    query = path.partition("?")[2]
    other = state.store.put(b"another file")
    add_artefact(state.db, tenant, other, "text/plain", 12)
    assert code(browser, f"/v1/artefacts/{other}?{query}") == (403, "link_invalid")
    for method, target in (
        ("GET", "/v1/jobs"),
        ("DELETE", f"/v1/artefacts/{sha256}"),
        ("POST", f"/v1/artefacts/{sha256}/links"),
        ("GET", f"/v1/uploads/{sha256}"),
    ):
        assert code(browser, f"{target}?{query}", method) == (401, "unauthorized"), target


def test_a_changed_link_is_refused(browser: TestClient, path: str) -> None:
    expires = int(re.findall(r"expires=(\d+)", path)[0])
    for changed in (
        path.replace(f"expires={expires}", f"expires={expires + 1}"),
        re.sub("key=[0-9a-f]+", "key=0000", path),
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        re.sub("signature=.*", "signature=", path) + "%00é",
        re.sub("expires=[0-9]+", "expires=" + "9" * 40, path),
        re.sub("key=[0-9a-f]+", "key=%00", path),
        path.replace("&", "&&") + "&signature=x",
    ):
        assert code(browser, changed)[0] in (401, 403), changed
        assert code(browser, changed)[1] in ("link_invalid", "unauthorized")


def test_a_link_expires(gateway: TestClient, state: State, sha256: str) -> None:
    path = gateway.post(f"/v1/artefacts/{sha256}/links", json={"expires_seconds": 60}).json()["path"]
    key = keys.find(state.db, str(gateway.headers["authorization"]).removeprefix("Bearer "))
    assert key is not None
    late = state.links.make_path(key, sha256, int(state.db.time.now_ns() / 1e9))
    del gateway.headers["Authorization"]
    assert gateway.get(path).status_code == 200
    assert code(gateway, late) == (403, "link_invalid")


def test_a_link_ends_with_its_key(browser: TestClient, state: State, path: str) -> None:
    assert browser.get(path).status_code == 200
    keys.revoke(state.db, re.findall("key=([0-9a-f]+)", path)[0])
    state.keys._known.clear()
    assert code(browser, path) == (403, "link_invalid")


def test_a_link_ends_with_its_artefact(gateway: TestClient, path: str, sha256: str) -> None:
    gateway.delete(f"/v1/artefacts/{sha256}")
    del gateway.headers["Authorization"]
    assert code(gateway, path) == (410, "artefact_gone")


def test_who_may_make_links(
    gateway: TestClient, state: State, tenant: str, sha256: str, stranger: dict[str, str]
) -> None:
    url = f"/v1/artefacts/{sha256}/links"
    for scope, status in (("read", 201), ("write", 403), ("admin", 403)):
        secret = keys.create(state.db, tenant, "test", scopes=[scope])
        answer = gateway.post(url, json={}, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == status, scope
    assert gateway.post(url, json={}, headers=stranger).json()["code"] == "artefact_unknown"
    assert gateway.post(url, json={"expires_seconds": 8 * 86_400}).status_code == 422


def test_all_gateways_sign_alike(gateway: TestClient, state: State, sha256: str) -> None:
    from service.guards.links import LinkSigner

    key = keys.find(state.db, str(gateway.headers["authorization"]).removeprefix("Bearer "))
    assert key is not None
    first, second, own = (LinkSigner(state.db, state.keys, secret) for secret in (None, None, "chosen"))
    assert first.make_path(key, sha256, 10) == second.make_path(key, sha256, 10)
    assert own.make_path(key, sha256, 10) != first.make_path(key, sha256, 10)
