"""Logins of browsers: a key or a link once, then a cookie that only our own page can use to write."""

import re
from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest
from fastapi.testclient import TestClient

from service.login_command import make_link
from service.state import State
from storage.ledger import audit, keys, login_codes

OWN_PAGE = {"X-Maquette-Page": "1"}
UNSAFE = {"kind": "segment", "image": {"id": "0" * 64}, "text": ["cat"]}


@pytest.fixture
def browser(application: TestClient) -> Iterator[TestClient]:
    """The gateway as a browser sees it: it has no key, and keeps cookies."""
    application.headers.pop("Authorization", None)
    yield application
    application.cookies.clear()


@pytest.fixture
def secret(state: State, tenant: str) -> str:
    return keys.create(state.db, tenant, "laptop")


def log_in(browser: TestClient, secret: str) -> str:
    """Log in with a key; the value of the cookie."""
    answer = browser.post("/login", json={"key": secret}, headers=OWN_PAGE)
    assert answer.status_code == 200, answer.text
    return SimpleCookie(answer.headers["set-cookie"])["maquette_login"].value


def make_code(state: State, secret: str, seconds: float = 60) -> str:
    key = keys.find(state.db, secret)
    assert key is not None
    return login_codes.create(state.db, key, seconds=seconds)


def test_a_key_is_exchanged_for_a_cookie_that_scripts_cannot_read(
    browser: TestClient, secret: str, tenant: str
) -> None:
    answer = browser.post("/login", json={"key": f" {secret}\n"}, headers=OWN_PAGE)
    assert answer.json()["tenant"] == tenant and answer.json()["scopes"] == ["read", "write"]
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "expires=" in cookie
    assert secret not in cookie
    assert browser.get("/v1/jobs").json() == {"jobs": [], "next_cursor": None}
    assert browser.get("/login").json()["name"] == "laptop"


@pytest.mark.parametrize("scheme, secure", [("http", False), ("https", True)])
def test_over_https_the_cookie_stays_there(
    browser: TestClient, secret: str, scheme: str, secure: bool
) -> None:
    answer = browser.post(f"{scheme}://testserver/login", json={"key": secret}, headers=OWN_PAGE)
    assert ("Secure" in answer.headers["set-cookie"]) == secure


@pytest.mark.parametrize(
    "headers, status",
    [
        (OWN_PAGE, 422),
        ({**OWN_PAGE, "Sec-Fetch-Site": "same-origin"}, 422),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
        ({**OWN_PAGE, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**OWN_PAGE, "Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
def test_only_our_own_page_changes_anything_by_a_cookie(
    browser: TestClient, secret: str, headers: dict[str, str], status: int
) -> None:
    log_in(browser, secret)
    answer = browser.post("/v1/jobs", json=UNSAFE | {"text": []}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_site"
        assert browser.post("/login", json={"key": secret}, headers=headers).json()["code"] == "cross_site"
        assert browser.delete("/login", headers=headers).json()["code"] == "cross_site"


def test_a_key_in_a_header_counts_more_than_a_cookie(
    browser: TestClient, state: State, secret: str, stranger: dict[str, str]
) -> None:
    log_in(browser, secret)
    assert browser.post("/v1/jobs", json=UNSAFE, headers=stranger).json()["code"] == "media_unknown"
    assert browser.get("/v1/jobs", headers={"X-API-Key": "mq_wrong"}).status_code == 401


def test_a_login_ends_with_its_key(browser: TestClient, state: State, secret: str) -> None:
    log_in(browser, secret)
    assert browser.get("/v1/jobs").status_code == 200
    key = keys.find(state.db, secret)
    assert key is not None and keys.revoke(state.db, key.id)
    state.keys._known.clear()
    refused = browser.get("/v1/jobs")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert "log in again" in refused.json()["detail"]
    assert browser.get("/login").status_code == 204


def test_a_login_expires_no_later_than_its_key(browser: TestClient, state: State, tenant: str) -> None:
    short = keys.create(state.db, tenant, "guest", expires_days=0.01)
    _, expires, _ = log_in(browser, short).split(".")
    now = state.db.time.now_ns() / 1e9
    assert 0 < int(expires) - now <= 0.01 * 86_400 + 1


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_cookie_opens_nothing(browser: TestClient, secret: str, part: int) -> None:
    parts = log_in(browser, secret).split(".")
    parts[part] = parts[part][:-1] + ("1" if parts[part][-1] != "1" else "2")
    for value in (".".join(parts), "", "x", "..", '"', parts[0]):
        headers = {"Cookie": f"maquette_login={value}"}
        browser.cookies.clear()
        assert browser.get("/v1/jobs", headers=headers).status_code == 401, value


def test_an_expired_cookie_opens_nothing(browser: TestClient, state: State, secret: str) -> None:
    key_id, _, _ = log_in(browser, secret).split(".")
    key = keys.find_by_id(state.db, key_id)
    assert key is not None
    late = str(int(state.db.time.now_ns() / 1e9) - 1)
    signature = state.logins._signer.sign(key.tenant, key.id, late)
    browser.cookies.clear()
    headers = {"Cookie": f"maquette_login={key_id}.{late}.{signature}"}
    assert browser.get("/v1/jobs", headers=headers).status_code == 401


def test_logging_out_removes_the_cookie(browser: TestClient, secret: str) -> None:
    log_in(browser, secret)
    assert browser.delete("/login", headers=OWN_PAGE).status_code == 204
    assert browser.get("/v1/jobs").status_code == 401


def test_a_link_logs_in_once(browser: TestClient, state: State, secret: str, tenant: str) -> None:
    code = make_code(state, secret)
    first = browser.post("/login", json={"code": code}, headers=OWN_PAGE)
    assert first.json()["tenant"] == tenant
    assert browser.get("/v1/jobs").status_code == 200
    again = browser.post("/login", json={"code": code}, headers=OWN_PAGE)
    assert again.status_code == 401 and "used before" in again.json()["detail"]
    acts = [act.action for act in audit.list_acts(state.db, tenant=tenant)]
    assert acts[-2:] == ["login.link", "login"]


def test_a_link_that_is_late_or_whose_key_was_revoked_opens_nothing(
    browser: TestClient, state: State, secret: str
) -> None:
    late, orphan = make_code(state, secret, seconds=-1), make_code(state, secret)
    key = keys.find(state.db, secret)
    assert key is not None and keys.revoke(state.db, key.id)
    for code in (late, orphan, "guess"):
        assert browser.post("/login", json={"code": code}, headers=OWN_PAGE).status_code == 401


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": "mq_" + "x" * 300}, {"key": 1}, {"other": "x"}])
def test_what_is_no_login(browser: TestClient, body: dict[str, object]) -> None:
    assert browser.post("/login", json=body, headers=OWN_PAGE).status_code in (401, 422)


def test_a_login_has_the_scopes_of_its_key(browser: TestClient, state: State, tenant: str) -> None:
    log_in(browser, keys.create(state.db, tenant, "viewer", scopes=["read"]))
    assert browser.get("/v1/jobs").status_code == 200
    refused = browser.post("/v1/jobs", json=UNSAFE, headers=OWN_PAGE)
    assert refused.json()["code"] == "scope_missing"
    assert browser.get("/v1/keys").json()["code"] == "scope_missing"


def test_the_code_of_a_link_is_never_sent_with_the_address() -> None:
    link = make_link("http://127.0.0.1:8700/", "code")
    assert re.fullmatch(r"http://127\.0\.0\.1:8700/#/login/code", link)
