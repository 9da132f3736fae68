"""Uploads: streamed, hashed, probed, kept once."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from service.state import State
from tests.support.media_files import encode_png, make_gradient, make_png_bomb

IMAGE = encode_png(make_gradient())
ID = hashlib.sha256(IMAGE).hexdigest()


def test_a_raw_upload_is_known_by_its_hash(gateway: TestClient) -> None:
    answer = gateway.post("/v1/uploads", content=IMAGE)
    assert answer.status_code == 201
    document = answer.json()
    assert (document["id"], document["kind"], document["width"], document["height"]) == (ID, "image", 64, 48)
    assert document["bytes"] == len(IMAGE)
    assert document["duration_seconds"] is None
    assert gateway.get(f"/v1/uploads/{ID}").json() == document
    assert gateway.post("/v1/uploads", content=IMAGE).status_code == 200


def test_an_upload_is_shown_as_it_was_sent_to_its_tenant_alone(
    gateway: TestClient, stranger: dict[str, str]
) -> None:
    gateway.post("/v1/uploads", content=IMAGE)
    path = f"/v1/uploads/{ID}/content"
    shown = gateway.get(path)
    assert (shown.status_code, shown.content, shown.headers["content-type"]) == (200, IMAGE, "image/png")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    part = gateway.get(path, headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, IMAGE[4:10])
    assert gateway.get(path, headers={"If-None-Match": shown.headers["etag"]}).status_code == 304
    assert gateway.head(path).headers["content-length"] == str(len(IMAGE))
    assert gateway.get(path, headers=stranger).json()["code"] == "media_unknown"
    gateway.delete(f"/v1/uploads/{ID}")
    assert gateway.get(path).json()["code"] == "media_unknown"


def test_a_form_gives_the_same_id(gateway: TestClient) -> None:
    answer = gateway.post("/v1/uploads", files={"file": ("a.png", IMAGE, "image/png")})
    assert answer.status_code == 201
    assert answer.json()["id"] == ID


def test_the_digest_is_checked(gateway: TestClient) -> None:
    right = base64.b64encode(hashlib.sha256(IMAGE).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    refused = gateway.post("/v1/uploads", content=IMAGE, headers={"Content-Digest": f"sha-256=:{wrong}:"})
    assert (refused.status_code, refused.json()["code"]) == (400, "digest_mismatch")
    assert gateway.get(f"/v1/uploads/{ID}").status_code == 404
    taken = gateway.post("/v1/uploads", content=IMAGE, headers={"Content-Digest": f"sha-256=:{right}:"})
    assert taken.status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (bytes, 422, "upload_empty"),
        (lambda: b"not an image", 415, "unsupported_media"),
        (make_png_bomb, 413, "image_too_large"),
        (lambda: bytes(9 << 20), 413, "upload_too_large"),
    ],
)
def test_bad_uploads(
    gateway: TestClient, state: State, body: Callable[[], bytes], status: int, code: str
) -> None:
    answer = gateway.post("/v1/uploads", content=body())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    leftovers = [file for file in state.store.scratch.rglob("*") if file.is_file()]
    assert leftovers == []


def test_an_upload_without_a_length_is_limited_too(gateway: TestClient) -> None:
    def pieces() -> object:
        for _ in range(20):
            yield b"\0" * (1 << 20)

    answer = gateway.post("/v1/uploads", content=pieces())
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


def test_uploads_belong_to_their_tenant(gateway: TestClient, stranger: dict[str, str]) -> None:
    gateway.post("/v1/uploads", content=IMAGE)
    assert gateway.get(f"/v1/uploads/{ID}", headers=stranger).status_code == 404
    assert gateway.post("/v1/uploads", content=IMAGE, headers=stranger).status_code == 201
