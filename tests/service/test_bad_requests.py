"""Every wrong request gets a stable code, a sentence, and loses nothing."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.state import State
from storage.ledger import leases
from tests.support.media_files import encode_png, make_gradient

BOX = {"x0": 1, "y0": 1, "x1": 20, "y1": 20}
RLE = {"size": [10, 10], "counts": "T3"}
URL = {"kind": "segment", "text": ["cat"]}


@pytest.fixture
def image(gateway: TestClient) -> str:
    return str(gateway.post("/v1/uploads", content=encode_png(make_gradient())).json()["id"])


def post_refused(gateway: TestClient, request: dict[str, Any]) -> tuple[int, str]:
    answer = gateway.post("/v1/jobs", json=request)
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", document
    assert document["type"] == f"urn:maquette:problem:{document['code']}"
    assert len(document["detail"]) > 15
    assert gateway.get("/v1/jobs").json()["jobs"] == []
    return answer.status_code, document["code"]


@pytest.mark.parametrize(
    "prompts",
    [
        {},
        {"text": [""]},
        {"text": ["   "]},
        {"text": ["x" * 300]},
        {"text": "cat"},
        {"boxes": [{**BOX, "x1": 0}]},
        {"boxes": [{**BOX, "x1": 1}]},
        {"boxes": [[1, 2, 3, 4]]},
        {"points": [[]]},
        {"points": [[{"x": 1, "y": 1, "label": 2}]]},
        {"points": [[{"x": 1, "y": 1}], [{"x": 1, "y": 1, "label": 0}]]},
        {"exemplars": [{"box": BOX, "positive": False}]},
        {"text": ["cat"], "unknown_field": 1},
        {"text": ["cat"], "threshold": 2},
        {"text": ["cat"], "seed": -1},
        {"text": ["cat"], "seed": True},
        {"text": ["cat"], "threshold": True},
        {"boxes": [{**BOX, "x0": True}]},
        {"text": ["cat"], "timeout_seconds": 0},
        {"text": ["cat"], "engine": "Bad Name!"},
    ],
)
def test_requests_that_break_the_contract(gateway: TestClient, image: str, prompts: dict[str, Any]) -> None:
    request = {"kind": "segment", "image": {"id": image}, **prompts}
    assert post_refused(gateway, request) == (422, "invalid_request")


OFF = {"points": [{"x": 1, "y": 1, "label": 0}]}


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "segment", "prompts": [{"box": BOX}, OFF]},
        {"kind": "segment", "frame": 0, "prompts": [OFF]},
        {"kind": "track", "prompts": [{**OFF, "object": 1}], "reserved_ids": 1},
        {"kind": "track", "prompts": [{"frame": 5, "box": BOX}, {"frame": 2, "object": 1, **OFF}]},
    ],
)
@pytest.mark.parametrize("medium", ["id", "url"])
def test_prompts_that_start_no_object(gateway: TestClient, request_: dict[str, Any], medium: str) -> None:
    media = {"id": "0" * 64} if medium == "id" else {"url": "https://example.org/medium"}
    field = "video" if request_["kind"] == "track" else "image"
    assert post_refused(gateway, {field: media, **request_}) == (422, "prompt_without_object")


def test_a_thousand_masks_are_too_many(gateway: TestClient, image: str) -> None:
    request = {"kind": "objects", "image": {"id": image}}
    assert post_refused(gateway, {**request, "masks": [RLE] * 1000}) == (422, "invalid_request")
    # so many may be asked for: only their size is wrong
    assert post_refused(gateway, {**request, "masks": [RLE] * 256}) == (422, "mask_size_mismatch")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_values_that_are_not_numbers_are_refused(gateway: TestClient, image: str, number: str) -> None:
    point = '{"x":' + number + ',"y":1}'
    text = '{"kind":"segment","image":{"id":"' + image + '"},"points":[[' + point + "]]}"
    answer = gateway.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind":"nonsense"}', '{"kind":"segment"}'])
def test_bodies_that_are_not_a_request_are_refused(gateway: TestClient, text: str) -> None:
    answer = gateway.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("prompts", "code"),
    [
        ({"boxes": [{"x0": 64, "y0": 0, "x1": 90, "y1": 20}]}, "prompt_outside_image"),
        ({"boxes": [{"x0": -20, "y0": 0, "x1": -1, "y1": 20}]}, "prompt_outside_image"),
        ({"boxes": [{"x0": 9, "y0": 9, "x1": 9.0000001, "y1": 20}]}, "prompt_outside_image"),
        ({"exemplars": [{"box": {"x0": -5, "y0": 0, "x1": 1e-9, "y1": 20}}]}, "prompt_outside_image"),
        ({"exemplars": [{"box": {"x0": 64, "y0": 0, "x1": 90, "y1": 20}}]}, "prompt_outside_image"),
        ({"points": [[{"x": 65, "y": 1}]]}, "prompt_outside_image"),
        ({"points": [[{"x": 1, "y": -3}]]}, "prompt_outside_image"),
        ({"text": ["quasar"]}, "unknown_phrase"),
        ({"text": ["cat"], "engine": "sam3"}, "engine_unavailable"),
        ({"text": ["cat"], "engine": "sam9"}, "engine_unknown"),
    ],
)
def test_prompts_that_cannot_be_answered(
    gateway: TestClient, image: str, prompts: dict[str, Any], code: str
) -> None:
    assert post_refused(gateway, {"kind": "segment", "image": {"id": image}, **prompts}) == (422, code)


def test_an_unknown_phrase_is_answered_with_the_vocabulary(gateway: TestClient, image: str) -> None:
    request = {"kind": "segment", "image": {"id": image}, "text": ["cat", "quasar"]}
    answer = gateway.post("/v1/jobs", json=request).json()
    assert "quasar" in answer["detail"] and "SAM 3" in answer["detail"]
    assert "cat" in answer["vocabulary"] and len(answer["vocabulary"]) >= 80
    assert answer.get("suggestions") is None
    request["text"] = ["cat, wrench"]
    assert "bench" in gateway.post("/v1/jobs", json=request).json()["suggestions"]


def test_a_mask_of_another_size(gateway: TestClient, image: str) -> None:
    request = {"kind": "objects", "image": {"id": image}, "masks": [RLE]}
    assert post_refused(gateway, request) == (422, "mask_size_mismatch")


def test_missing_media_are_refused(gateway: TestClient) -> None:
    assert post_refused(gateway, {"kind": "segment", "image": {"id": "0" * 64}, "text": ["cat"]}) == (
        404,
        "media_unknown",
    )


def test_a_still_image_is_no_video(gateway: TestClient, image: str) -> None:
    request = {"kind": "track", "video": {"id": image}, "text": ["cat"]}
    assert post_refused(gateway, request) == (422, "not_a_video")


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/a.png", "https://localhost/a.png", "http://example.com/a.png", "https://[::1]/"],
)
def test_addresses_inside_the_network(gateway: TestClient, url: str) -> None:
    assert post_refused(gateway, {**URL, "image": {"url": url}}) == (422, "url_not_allowed")


def test_jobs_that_can_be_continued(gateway: TestClient, state: State, image: str) -> None:
    unknown = {"kind": "objects", "from_job": "job_" + "0" * 28}
    assert post_refused(gateway, unknown) == (404, "job_unknown")
    job_id = gateway.post(
        "/v1/jobs", json={"kind": "segment", "image": {"id": image}, "text": ["cat"]}
    ).json()["id"]
    early = gateway.post("/v1/jobs", json={"kind": "objects", "from_job": job_id})
    assert (early.status_code, early.json()["code"]) == (409, "source_not_ready")
    both = gateway.post("/v1/jobs", json={"kind": "objects", "from_job": job_id, "text": ["cat"]})
    assert (both.status_code, both.json()["code"]) == (422, "invalid_request")
    job = leases.claim(state.db, job_id, "w", 30)
    assert job is not None
    leases.fail(state.db, job, {"code": "x"})
    failed = gateway.post("/v1/jobs", json={"kind": "objects", "from_job": job_id})
    assert (failed.status_code, failed.json()["code"]) == (409, "source_not_ready")


def test_a_job_that_does_not_exist(gateway: TestClient) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
        answer = gateway.request(method, f"/v1/jobs/job_{'0' * 28}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_unknown")


def test_a_body_that_is_too_large(gateway: TestClient) -> None:
    answer = gateway.post("/v1/jobs", content=b" " * (40 << 20), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
