"""HTTP as the RFCs say it, header by header."""

import base64
import hashlib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.delivery import ranges
from service.delivery.waiting import preferred_wait
from service.state import State
from storage.ledger import Submission, jobs, leases
from tests.support.ledger_files import add_artefact
from tests.support.media_files import encode_png, make_gradient

IMAGE = encode_png(make_gradient())
DIGEST = base64.b64encode(hashlib.sha256(IMAGE).digest()).decode()
OTHER = base64.b64encode(hashlib.sha256(b"other").digest()).decode()


@pytest.fixture
def image(gateway: TestClient) -> str:
    return str(gateway.post("/v1/uploads", content=IMAGE).json()["id"])


@pytest.fixture
def job_id(gateway: TestClient, image: str) -> str:
    request = {"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    return str(gateway.post("/v1/jobs", json=request).json()["id"])


@pytest.fixture
def artefact(state: State, tenant: str) -> str:
    """A stored file of ten bytes."""
    sha256 = state.store.put(b"0123456789")
    add_artefact(state.db, tenant, sha256, "text/plain", 10)
    return sha256


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json", "/v1/jobs", "/v1/engines"]
)
def test_head_is_answered_as_get_is(gateway: TestClient, path: str) -> None:
    head, get = gateway.head(path), gateway.get(path)
    assert head.status_code == get.status_code == 200
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"] == get.headers["content-length"]


def test_head_of_what_is_no_answer(gateway: TestClient, job_id: str) -> None:
    assert gateway.head(f"/v1/jobs/{job_id}").status_code == 200
    assert gateway.head("/v1/jobs/job_0").status_code == 404
    # a stream without an end
    refused = gateway.head(f"/v1/jobs/{job_id}/events")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    refused = gateway.put("/v1/jobs")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")


def test_whitespace_around_a_field_is_not_part_of_it(gateway: TestClient, image: str, job_id: str) -> None:
    request = {"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    ids = {
        gateway.post("/v1/jobs", json=request, headers={"Idempotency-Key": key}).json()["id"]
        for key in ("one", "one ", "\tone \t")
    }
    assert len(ids) == 1
    headers = {"Idempotency-Key": "two", "Idempotency-Scope": "active "}
    assert gateway.post("/v1/jobs", json=request, headers=headers).status_code == 202
    assert gateway.post(
        "/v1/uploads", content=IMAGE, headers={"Content-Digest": f"sha-256=:{DIGEST}: "}
    ).is_success


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_json_that_is_not_marked_as_such(gateway: TestClient, image: str, media_type: str | None) -> None:
    content = f'{{"kind": "segment", "image": {{"id": "{image}"}}, "text": ["cat"]}}'
    headers = {} if media_type is None else {"Content-Type": media_type}
    refused = gateway.post("/v1/jobs", content=content, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert "Content-Type: application/json" in refused.json()["detail"]
    for media_type in ("application/json", "Application/JSON; charset=utf-8", "application/vnd.a.b+json"):
        accepted = gateway.post("/v1/jobs", content=content, headers={"Content-Type": media_type})
        assert accepted.status_code == 202


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("wait=10", 10),
        ('wait="10"', 10),
        ("WAIT = 5", 5),
        ("respond-async, wait=7", 7),
        ("respond-async; note=1, wait=7; foo=bar", 7),
        ("wait=3, wait=9", 3),
        ("wait=99999", 60),
        ("wait=abc", None),
        ("wait=²", None),
        ("await=4", None),
        ('note="a, wait=4"', None),
    ],
)
def test_preferences(header: str | None, seconds: float | None) -> None:
    assert preferred_wait(header, 60) == seconds


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=2-4", (2, 5)),
        ("Bytes=2-4", (2, 5)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=0-" + "9" * 5000, (0, 10)),
        ("bytes=000-001", (0, 2)),
        ("bytes=4-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=²-", None),
        ("lines=0-1", None),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    assert ranges.parse(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_ranges_outside_the_file(gateway: TestClient, artefact: str, header: str) -> None:
    answer = gateway.get(f"/v1/artefacts/{artefact}", headers={"Range": header})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == "bytes */10"


def test_head_ignores_ranges(gateway: TestClient, artefact: str) -> None:
    answer = gateway.head(f"/v1/artefacts/{artefact}", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "10")
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize(
    ("tags", "status"),
    [("*", 304), ('"{}"', 304), ('W/"{}"', 304), ('"x", "{}"', 304), ("{}", 200), ('"x{}"', 200)],
)
def test_entity_tags_are_compared_whole(gateway: TestClient, artefact: str, tags: str, status: int) -> None:
    headers = {"If-None-Match": tags.format(artefact)}
    assert gateway.get(f"/v1/artefacts/{artefact}", headers=headers).status_code == status


@pytest.mark.parametrize("media_type", ["text/html", "text/html; charset=utf-8", "model/gltf-binary"])
def test_a_page_cannot_run_in_the_origin_of_the_gateway(
    gateway: TestClient, state: State, tenant: str, media_type: str
) -> None:
    data = b"<!doctype html><script>alert(1)</script>"
    sha256 = state.store.put(data)
    add_artefact(state.db, tenant, sha256, media_type, len(data))
    for answer in (gateway.get(f"/v1/artefacts/{sha256}"), gateway.head(f"/v1/artefacts/{sha256}")):
        policy = answer.headers["content-security-policy"]
        assert "sandbox" in policy and "allow-scripts" not in policy and "default-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        saved = answer.headers.get("content-disposition") == "attachment"
        assert saved == media_type.startswith("text/html")


def test_a_lost_artefact_is_gone_before_anything_is_sent(
    gateway: TestClient, state: State, tenant: str
) -> None:
    sha256 = hashlib.sha256(b"never stored").hexdigest()
    add_artefact(state.db, tenant, sha256, "text/plain", 12)
    answer = gateway.get(f"/v1/artefacts/{sha256}")
    assert (answer.status_code, answer.json()["code"]) == (410, "artefact_gone")


def test_a_job_whose_result_is_lost_is_gone(gateway: TestClient, state: State, tenant: str) -> None:
    submission = Submission(tenant, "convert", "auto", "default", "{}", "h", 60)
    job = leases.claim(state.db, jobs.submit(state.db, submission)[0].id, "w", 30)
    assert job is not None
    leases.succeed(state.db, job, hashlib.sha256(b"a manifest that is lost").hexdigest())
    answer = gateway.get(f"/v1/jobs/{job.id}")
    assert (answer.status_code, answer.json()["code"]) == (410, "artefact_gone")
    # lists have no results, and still show it
    assert [item["id"] for item in gateway.get("/v1/jobs").json()["jobs"]] == [job.id]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"sha-256=:{DIGEST}:", 201),
        (f"SHA-256=:{DIGEST}:", 201),
        (f"md5=:AAAA:, sha-256=:{DIGEST}:", 201),
        (f"sha-256 = :{DIGEST}:", 201),
        ("md5=:AAAA:", 201),
        (f"sha-256=:{OTHER}:", 400),
        (f"md5=:AAAA:, sha-256=:{OTHER}:", 400),
        ("sha-256=:not base64:", 400),
        (f"sha-256={DIGEST}", 400),
        ("sha-256=:AAAA:", 400),
    ],
)
def test_digests(gateway: TestClient, header: str, status: int) -> None:
    answer = gateway.post("/v1/uploads", content=IMAGE, headers={"Content-Digest": header})
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["code"] == "digest_mismatch"


def test_a_digest_of_bytes_that_are_no_text(gateway: TestClient) -> None:
    headers = {b"Content-Digest": b"sha-256=:\xff\xff:"}
    answer = gateway.post("/v1/uploads", content=IMAGE, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "digest_mismatch")


@pytest.mark.parametrize("last", ["²", "-1", "abc", "9" * 30, "9" * 5000, "1.5", " "])
def test_event_ids_are_numbers(gateway: TestClient, job_id: str, last: str) -> None:
    headers = {b"Last-Event-ID": last.encode()}
    answer = gateway.get(f"/v1/jobs/{job_id}/events", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_no_content_after_the_final_event(gateway: TestClient, state: State, job_id: str) -> None:
    job = leases.claim(state.db, job_id, "worker", 30)
    assert job is not None
    leases.fail(state.db, job, {"code": "x"})
    whole = gateway.get(f"/v1/jobs/{job_id}/events")
    assert whole.status_code == 200
    seqs = [int(line[4:]) for line in whole.text.splitlines() if line.startswith("id: ")]
    assert seqs == sorted(seqs) and len(seqs) == 3
    rest = gateway.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(seqs[1])})
    assert rest.text.count("id: ") == 1
    over = gateway.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": str(seqs[2])})
    assert (over.status_code, over.content) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", {"GET", "HEAD", "POST"}),
        ("DELETE", "/v1/uploads", {"POST"}),
        ("POST", f"/v1/artefacts/{'0' * 64}", {"DELETE", "GET", "HEAD"}),
        ("PATCH", "/readyz", {"GET", "HEAD"}),
    ],
)
def test_allow_names_every_method(gateway: TestClient, method: str, path: str, allowed: set[str]) -> None:
    answer = gateway.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_media_types_have_no_case(gateway: TestClient, tmp_path: Path) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + IMAGE + b"\r\n--B--"
    )
    headers = {"Content-Type": "Multipart/Form-Data; Boundary=B"}
    answer = gateway.post("/v1/uploads", content=body, headers=headers)
    assert answer.json()["id"] == hashlib.sha256(IMAGE).hexdigest()
    text = b'{"kind":"segment","image":{"id":"' + answer.json()["id"].encode() + b'"},"text":["cat"]}'
    submitted = gateway.post("/v1/jobs", content=text, headers={"Content-Type": "Application/JSON"})
    assert submitted.status_code == 202


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("multipart/form-data", b"--B\r\n\r\n", "form_invalid"),
        ("multipart/form-data; boundary=B", b"no form at all", "form_invalid"),
        ("multipart/form-data; boundary=" + 500 * "B", b"--" + 500 * b"B", "form_invalid"),
        ("multipart/form-data; boundary=B", b"--B--\r\n", "upload_empty"),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--B--\r\n',
            "upload_empty",
        ),
    ],
)
def test_forms_without_a_file(gateway: TestClient, content_type: str, body: bytes, code: str) -> None:
    answer = gateway.post("/v1/uploads", content=body, headers={"Content-Type": content_type})
    assert answer.json()["code"] == code
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "name",
    [
        "filename=a",
        'filename=""',
        "filename*=UTF-8''%C3%A4.png",
        "FileName*0*=utf-8''%C3%A4",
        'filename="../../ä"',
    ],
)
def test_a_file_may_be_called_anything(gateway: TestClient, name: str) -> None:
    disposition = f'--B\r\nContent-Disposition: form-data; name="file"; {name}\r\n\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = gateway.post("/v1/uploads", content=disposition + IMAGE + b"\r\n--B--\r\n", headers=headers)
    assert answer.is_success and answer.json()["bytes"] == len(IMAGE)


def test_a_form_keeps_its_first_file_whole(gateway: TestClient) -> None:
    """Pieces that end anywhere, and bytes that look like a boundary, do not change the file."""
    content = IMAGE + b"\r\n--B\r\n--C--"
    answer = gateway.post("/v1/uploads", files={"note": (None, "text"), "file": ("a.png", IMAGE)})
    assert answer.json()["bytes"] == len(IMAGE)
    form = (
        b'--C\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + IMAGE + b"\r\n--C--\r\n"
    )

    def pieces() -> object:
        for start in range(0, len(form), 7):
            yield form[start : start + 7]

    headers = {"Content-Type": "multipart/form-data; boundary=C"}
    answer = gateway.post("/v1/uploads", content=pieces(), headers=headers)  # type: ignore[arg-type]
    assert answer.json()["id"] == hashlib.sha256(IMAGE).hexdigest()
    assert len(content) > len(IMAGE)


def test_the_reference_needs_no_other_server(gateway: TestClient) -> None:
    page = gateway.get("/docs").text
    assert "https://" not in page and "http://" not in page
    for part in ("swagger-ui-bundle.js", "swagger-ui.css"):
        address = next(word for word in page.replace("'", '"').split('"') if word.endswith(part))
        assert gateway.get(address).status_code == 200
