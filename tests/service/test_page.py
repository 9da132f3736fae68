"""The Playground at `/`: its files, their policy, and what is there when it was not built; other origins."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import ServiceSettings

ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Playground</title>")
    (folder / "assets" / "main-abc.js").write_text("plain")
    (folder / "assets" / "main-abc.js.br").write_bytes(b"brotli")
    (folder / "assets" / "main-abc.js.gz").write_bytes(b"gzip")
    (folder / "assets" / "notes.txt").write_text("no part of a page")
    (folder / "secret.js").write_text("outside")
    return folder


@pytest.fixture(scope="module")
def browser(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("gateway")
    settings = ServiceSettings(
        database_url=f"sqlite:///{home / 'ledger.db'}",
        broker_url="redis://127.0.0.1:1/0",
        artefacts=str(home / "artefacts"),
        probe_processes=1,
        page_folder=folder,
        cors_origins=f"{ORIGIN}, https://other.example",
    )
    with TestClient(create_app(settings)) as client:
        yield client


def test_the_page_runs_its_own_scripts_and_no_others(browser: TestClient) -> None:
    page = browser.get("/")
    assert page.status_code == 200 and "Playground" in page.text
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert not {"http:", "https:", "*"} & {word for value in policy.values() for word in value.split()}
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "accepted, content, encoding",
    [
        ("gzip, deflate, br", b"brotli", "br"),
        ("gzip;q=1.0", b"gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", b"gzip", "gzip"),
        ("", b"plain", None),
        ("zstd", b"plain", None),
    ],
)
def test_scripts_come_compressed_and_stay_in_the_cache(
    browser: TestClient, accepted: str, content: bytes, encoding: str | None
) -> None:
    with browser.stream("GET", "/assets/main-abc.js", headers={"Accept-Encoding": accepted}) as answer:
        assert b"".join(answer.iter_raw()) == content
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert "Accept-Encoding" in answer.headers["vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/notes.txt",
        "/assets/missing.js",
        "/assets/..%2Fsecret.js",
        "/assets/.hidden.js",
        "/assets/",
        "/secret.js",
    ],
)
def test_nothing_else_is_served(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_that_was_not_built_says_so(gateway: TestClient, tmp_path: Path) -> None:
    settings = gateway.app.state.maquette.settings  # type: ignore[attr-defined]
    before, settings.page_folder = settings.page_folder, tmp_path
    try:
        page = gateway.get("/", headers={"Authorization": ""})
    finally:
        settings.page_folder = before
    assert page.status_code == 200
    assert "make web" in page.text and 'href="docs"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_other_origins_are_refused_unless_they_are_named(browser: TestClient, gateway: TestClient) -> None:
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    asked = browser.options("/v1/jobs", headers={"Origin": ORIGIN, **ask})
    assert asked.status_code == 200 and asked.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in asked.headers
    answer = browser.get("/v1/jobs", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, ORIGIN)
    for client, origin in ((browser, "https://evil.example"), (gateway, ORIGIN)):
        assert "access-control-allow-origin" not in client.get("/v1/jobs", headers={"Origin": origin}).headers
        refused = client.options("/v1/jobs", headers={"Origin": origin, **ask})
        assert "access-control-allow-origin" not in refused.headers


def test_a_named_origin_cannot_pass_for_the_page(browser: TestClient) -> None:
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-maquette-page"}
    assert browser.options("/v1/jobs", headers={"Origin": ORIGIN, **ask}).status_code == 400
