"""The gateway's log: one line per request that names the tenant, no secrets, and JSON on request."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from service.logs import build_log_config
from tests.support.media_files import encode_png, make_gradient


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, logger="service.access")
    yield caplog


def access_records(lines: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Records of requests; threads of the gateway log beside them."""
    return [record for record in lines.records if record.name == "service.access"]


def requests(lines: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.request for record in access_records(lines)]  # type: ignore[attr-defined]


def test_each_request_is_one_line(gateway: TestClient, tenant: str, lines: pytest.LogCaptureFixture) -> None:
    answer = gateway.post("/v1/uploads", content=encode_png(make_gradient()))
    gateway.get("/v1/jobs/job_0?secret=1")
    [upload, unknown] = requests(lines)
    assert {name: upload[name] for name in ("tenant", "method", "path", "status", "bytes")} == {
        "tenant": tenant,
        "method": "POST",
        "path": "/v1/uploads",
        "status": answer.status_code,
        "bytes": len(answer.content),
    }
    assert isinstance(upload["milliseconds"], float) and upload["client"] == "testclient"
    assert (unknown["path"], unknown["status"]) == ("/v1/jobs/job_0", 404)
    line = access_records(lines)[0].getMessage()
    assert tenant in line and "POST /v1/uploads" in line


def test_refused_requests_are_logged_without_a_tenant_and_without_their_key(
    gateway: TestClient, lines: pytest.LogCaptureFixture
) -> None:
    gateway.get("/v1/jobs", headers={"Authorization": "Bearer mq_wrong"})
    [refused] = requests(lines)
    assert (refused["tenant"], refused["status"]) == (None, 401)
    assert "mq_wrong" not in lines.text


def test_probes_that_succeed_are_left_out(gateway: TestClient, lines: pytest.LogCaptureFixture) -> None:
    gateway.get("/healthz")
    assert requests(lines) == []


def test_a_path_cannot_forge_a_line(gateway: TestClient, lines: pytest.LogCaptureFixture) -> None:
    gateway.get("/v1/jobs/%0a2026-01-01%20INFO%20forged")
    line = access_records(lines)[-1].getMessage()
    assert "\n" not in line and "%0a" in line.lower()


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_lines_are_text_or_json(as_json: bool) -> None:
    config = build_log_config(as_json=as_json, level="info")
    out = io.StringIO()
    # the handler's own configuration, on a logger of this test
    config["handlers"]["stderr"]["stream"] = out
    config["loggers"] = {"test.lines": {**config.pop("root"), "propagate": False}}
    logging.config.dictConfig(config)
    log = logging.getLogger("test.lines")
    log.info("a %s\nline", "broken", extra={"request": {"path": "/v1/jobs", "status": 202}})
    log.debug("left out")
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("it failed")
    written = out.getvalue()
    assert "left out" not in written and "ValueError: wrong" in written
    if as_json:
        first, second = [json.loads(line) for line in written.splitlines()]
        assert first["message"] == "a broken\nline" and first["level"] == "INFO"
        assert (first["path"], first["status"], first["logger"]) == ("/v1/jobs", 202, "test.lines")
        assert first["time"].endswith("+00:00") and second["exception"].endswith("ValueError: wrong")
    else:
        assert "INFO test.lines: a broken" in written
