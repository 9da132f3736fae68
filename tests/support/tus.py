"""Requests of a client that speaks tus 1.0.0."""

import base64
import hashlib
from collections.abc import Iterator

import httpx
from fastapi.testclient import TestClient

PATH = "/v1/resumable-uploads"
TUS = {"Tus-Resumable": "1.0.0"}


def digest(data: bytes) -> dict[str, str]:
    return {"Repr-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"}


def begin(gateway: TestClient, size: int, headers: dict[str, str] | None = None) -> str:
    answer = gateway.post(PATH, headers={**TUS, "Upload-Length": str(size), **(headers or {})})
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    return str(answer.headers["location"])


def append(
    gateway: TestClient, path: str, offset: int, data: bytes | Iterator[bytes], **headers: str
) -> httpx.Response:
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    return gateway.patch(path, content=data, headers={**TUS, **kind, **headers})
