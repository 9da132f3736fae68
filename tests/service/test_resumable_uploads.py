"""Resumable uploads: what goes wrong between the first byte and the last loses nothing, leaves nothing."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from maquette.contract import ResumableUpload
from sqlalchemy import select, update

from service.intake import pieces
from service.state import State
from storage.collection import Collector
from storage.ledger import keys, resumable, tenants, usage
from storage.ledger.retention import Retention
from storage.ledger.tables import blob_refs, upload_pieces
from storage.ledger.tables import resumable_uploads as table
from tests.support.media_files import encode_png
from tests.support.tus import PATH, TUS, append, begin, digest

# noise, which PNG cannot make smaller: about 90 kB
IMAGE = encode_png(np.random.default_rng(16).integers(0, 256, (150, 200, 3), np.uint8))
ID = hashlib.sha256(IMAGE).hexdigest()
SIZE = len(IMAGE)
FOREVER = Retention(uploads=0, results=0, events=0, scratch=0)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 20_000)
    monkeypatch.setattr("service.intake.receiving.BATCH_BYTES", 4_096)


def find_receiver(state: State, tenant: str, path: str) -> pieces.PieceReceiver:
    """What a request that appends to an upload works with."""
    row = resumable.get(state.db, tenant, path.rpartition("/")[2])
    assert row is not None
    return pieces.PieceReceiver(state, row)


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def read_offset(gateway: TestClient, path: str) -> int:
    answer = gateway.head(path, headers=TUS)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return int(answer.headers["upload-offset"])


def is_empty(state: State, tenant: str) -> bool:
    """Whether neither references nor pieces of a tenant's uploads are left."""
    with state.db.read() as connection:
        left = connection.execute(select(blob_refs.c.owner).where(blob_refs.c.tenant == tenant)).all()
        uploads = select(upload_pieces.c.upload).join(table, table.c.id == upload_pieces.c.upload)
        return not left and not connection.execute(uploads.where(table.c.tenant == tenant)).all()


def test_pieces_become_the_medium_that_one_request_would_have_made(
    gateway: TestClient, state: State, tenant: str
) -> None:
    path = begin(gateway, SIZE)
    for start in range(0, SIZE, 35_000):
        answer = append(gateway, path, start, IMAGE[start : start + 35_000])
        assert answer.status_code == 204
        assert int(answer.headers["upload-offset"]) == min(start + 35_000, SIZE)
    assert answer.headers["content-location"] == f"/v1/uploads/{ID}"
    shown = ResumableUpload.model_validate(gateway.get(path).json())
    assert shown.media is not None
    assert (shown.offset, shown.bytes, shown.media.id, shown.media.width) == (SIZE, SIZE, ID, 200)
    assert gateway.get(f"/v1/uploads/{ID}/content").content == IMAGE
    assert gateway.post("/v1/uploads", content=IMAGE).json() == shown.media.model_dump()
    with state.db.read() as connection:
        # the pieces count no longer
        assert usage.read_bytes(connection, tenant) == SIZE


def test_what_arrives_in_one_request_is_stored_in_pieces_on_the_way(
    gateway: TestClient, state: State, tenant: str
) -> None:
    path = begin(gateway, SIZE)
    receiver = find_receiver(state, tenant, path)
    assert gateway.portal is not None
    gateway.portal.call(receiver.receive, stream([IMAGE[at : at + 5_000] for at in range(0, 70_000, 5_000)]))
    # the end of the request is a piece of its own
    assert len(resumable.list_pieces(state.db, receiver.row)) == 70_000 // 20_000 + 1
    assert read_offset(gateway, path) == 70_000
    assert append(gateway, path, 70_000, IMAGE[70_000:]).status_code == 204
    assert gateway.get(f"/v1/uploads/{ID}/content").content == IMAGE


def test_a_cut_connection_loses_nothing_that_has_arrived(
    gateway: TestClient, application: TestClient
) -> None:
    path = begin(gateway, SIZE)
    headers = {
        "authorization": gateway.headers["Authorization"],
        "tus-resumable": "1.0.0",
        "content-type": "application/offset+octet-stream",
        "content-length": str(SIZE),
        "upload-offset": "0",
    }
    scope = {
        "type": "http",
        "method": "PATCH",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "app": application.app,
    }
    arrived = iter([IMAGE[:3_000], IMAGE[3_000:50_000]])

    async def receive() -> dict[str, Any]:
        chunk = next(arrived, None)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(_message: Any) -> None: ...

    assert application.portal is not None
    application.portal.call(application.app, scope, receive, send)
    assert read_offset(gateway, path) == 50_000
    assert append(gateway, path, 50_000, IMAGE[50_000:]).status_code == 204
    assert gateway.get(f"/v1/uploads/{ID}").status_code == 200


def test_the_same_content_goes_on_where_it_was_cut_off(gateway: TestClient, stranger: dict[str, str]) -> None:
    path = begin(gateway, SIZE, headers=digest(IMAGE))
    append(gateway, path, 0, IMAGE[:10_000])
    again = gateway.post(PATH, headers={**TUS, "Upload-Length": str(SIZE), **digest(IMAGE)})
    assert (again.status_code, again.headers["location"]) == (200, path)
    assert (again.headers["upload-offset"], again.json()["offset"]) == ("10000", 10_000)
    # neither for others, nor for other content
    assert begin(gateway, SIZE, headers={**stranger, **digest(IMAGE)}) != path
    assert begin(gateway, SIZE, headers=digest(IMAGE[:-1])) != path
    assert append(gateway, path, 10_000, IMAGE[10_000:]).status_code == 204
    # a finished one is not taken up again
    assert begin(gateway, SIZE, headers=digest(IMAGE)) != path


@pytest.mark.parametrize("offset", [0, 9_999, 10_001, SIZE])
def test_bytes_belong_where_the_upload_ends(gateway: TestClient, offset: int) -> None:
    path = begin(gateway, SIZE)
    append(gateway, path, 0, IMAGE[:10_000])
    refused = append(gateway, path, offset, IMAGE[offset : offset + 100])
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_offset_mismatch")
    assert refused.headers["upload-offset"] == "10000"
    assert read_offset(gateway, path) == 10_000


def test_of_parallel_appends_one_wins_and_the_other_learns_where_to_go_on(
    gateway: TestClient, state: State, tenant: str
) -> None:
    path = begin(gateway, SIZE)
    receivers = [find_receiver(state, tenant, path) for _ in range(3)]

    async def send_all() -> list[Any]:
        calls = [receiver.receive(stream([IMAGE[:5_000]])) for receiver in receivers]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert gateway.portal is not None
    outcomes = gateway.portal.call(send_all)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [outcome.problem.code for outcome in refused] == ["upload_offset_mismatch"] * 2
    assert [outcome.headers["Upload-Offset"] for outcome in refused] == ["5000"] * 2
    assert append(gateway, path, 5_000, IMAGE[5_000:]).status_code == 204
    assert gateway.get(f"/v1/uploads/{ID}/content").content == IMAGE


def test_more_than_was_announced_is_refused(gateway: TestClient) -> None:
    path = begin(gateway, size=1_000)

    assert append(gateway, path, 0, IMAGE[:1_001]).json()["code"] == "upload_too_large"
    # a length that is not known cannot be refused at once
    refused = append(gateway, path, 0, iter([IMAGE[:600], IMAGE[600:1_200]]))
    assert (refused.status_code, refused.json()["code"]) == (413, "upload_too_large")
    assert read_offset(gateway, path) < 1_000


@pytest.mark.parametrize(
    ("data", "announced", "status", "code"),
    [
        (IMAGE[:-1] + b"?", IMAGE, 400, "digest_mismatch"),
        (b"not an image" * 5_000, b"not an image" * 5_000, 415, "unsupported_media"),
        (b"not an image" * 5_000, None, 415, "unsupported_media"),
    ],
)
def test_content_that_cannot_become_a_medium_ends_the_upload(
    gateway: TestClient,
    state: State,
    tenant: str,
    data: bytes,
    announced: bytes | None,
    status: int,
    code: str,
) -> None:
    path = begin(gateway, size=len(data), headers=digest(announced) if announced else None)
    append(gateway, path, 0, data[:30_000])
    refused = append(gateway, path, 30_000, data[30_000:])
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert gateway.get(path).json()["code"] == "upload_unknown"
    assert is_empty(state, tenant)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"Upload-Length": "0"}, 422, "invalid_request"),
        ({"Upload-Length": "-5"}, 422, "invalid_request"),
        ({"Upload-Length": "many"}, 422, "invalid_request"),
        ({"Upload-Length": str((8 << 20) + 1)}, 413, "upload_too_large"),
        ({"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, 412, "tus_version_unsupported"),
        ({"Upload-Length": "5", "Repr-Digest": "sha-256=:AAAA:"}, 400, "digest_mismatch"),
    ],
)
def test_what_cannot_be_begun(gateway: TestClient, headers: dict[str, str], status: int, code: str) -> None:
    refused = gateway.post(PATH, headers={**TUS, **headers})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"


def test_the_protocol_is_described_and_wrong_bodies_are_refused(gateway: TestClient) -> None:
    described = gateway.options(PATH)
    assert (described.status_code, described.headers["tus-version"]) == (204, "1.0.0")
    assert described.headers["tus-max-size"] == str(8 << 20)
    path = begin(gateway, SIZE)
    assert append(gateway, path, 0, IMAGE, **{"Content-Type": "image/png"}).status_code == 415
    assert append(gateway, path, 0, IMAGE, **{"Tus-Resumable": "2.0.0"}).status_code == 412
    assert read_offset(gateway, path) == 0


def test_an_upload_is_of_its_tenant_alone(gateway: TestClient, stranger: dict[str, str]) -> None:
    path = begin(gateway, SIZE)
    append(gateway, path, 0, IMAGE[:10_000])
    for answer in (
        gateway.head(path, headers=stranger),
        gateway.get(path, headers=stranger),
        append(gateway, path, 10_000, IMAGE[10_000:], **stranger),
        gateway.delete(path, headers=stranger),
    ):
        assert answer.status_code == 404
    assert append(gateway, path, 10_000, IMAGE[10_000:]).status_code == 204


def test_an_upload_that_is_given_up_leaves_nothing(gateway: TestClient, state: State, tenant: str) -> None:
    path = begin(gateway, SIZE)
    append(gateway, path, 0, IMAGE[:50_000])
    assert gateway.delete(path, headers=TUS).status_code == 204
    assert gateway.get(path).json()["code"] == "upload_unknown"
    assert gateway.delete(path, headers=TUS).status_code == 404
    assert is_empty(state, tenant)


def test_an_expired_upload_says_so_and_is_collected(gateway: TestClient, state: State, tenant: str) -> None:
    old, young = begin(gateway, SIZE), begin(gateway, SIZE)
    for path in (old, young):
        append(gateway, path, 0, IMAGE[:50_000])
    with state.db.write() as connection:
        connection.execute(update(table).where(table.c.id == old.rpartition("/")[2]).values(expires_at=1.0))
    for answer in (gateway.get(old), append(gateway, old, 50_000, IMAGE[50_000:])):
        assert (answer.status_code, answer.json()["code"]) == (410, "upload_expired")
    # what others need as well is kept: both have the same pieces
    report = Collector(state.db, state.store, FOREVER, grace_seconds=-1).collect()
    assert report.unfinished == 1
    assert gateway.get(old).json()["code"] == "upload_unknown"
    assert append(gateway, young, 50_000, IMAGE[50_000:]).status_code == 204
    assert gateway.get(f"/v1/uploads/{ID}/content").content == IMAGE


def test_pieces_count_and_a_full_tenant_keeps_what_it_has(
    gateway: TestClient, state: State, tenant: str
) -> None:
    tenants.change_settings(state.db, tenant, {"max_stored_bytes": SIZE + 10_000})
    path = begin(gateway, SIZE)
    append(gateway, path, 0, IMAGE[:50_000])
    other = encode_png(np.random.default_rng(17).integers(0, 256, (140, 140, 3), np.uint8))
    assert gateway.post("/v1/uploads", content=other).json()["code"] == "storage_quota_exceeded"
    # twice its bytes would be too many: pieces and medium do not count together
    assert append(gateway, path, 50_000, IMAGE[50_000:]).status_code == 204
    refused = gateway.post(PATH, headers={**TUS, "Upload-Length": str(1 << 20)})
    assert (refused.status_code, refused.json()["code"]) == (413, "storage_quota_exceeded")


def test_what_has_arrived_is_not_counted_again_when_an_upload_goes_on(
    gateway: TestClient, state: State, tenant: str
) -> None:
    tenants.change_settings(state.db, tenant, {"max_stored_bytes": SIZE + 10_000})
    headers = {**TUS, "Upload-Length": str(SIZE), **digest(IMAGE)}
    path = gateway.post(PATH, headers=headers).headers["location"]
    append(gateway, path, 0, IMAGE[:50_000])
    again = gateway.post(PATH, headers=headers)
    assert (again.status_code, again.headers["location"]) == (200, path)
    assert append(gateway, path, 50_000, IMAGE[50_000:]).status_code == 204


def test_a_piece_that_is_lost_ends_the_upload(gateway: TestClient, state: State, tenant: str) -> None:
    path = begin(gateway, SIZE)
    append(gateway, path, 0, IMAGE[:50_000])
    row = find_receiver(state, tenant, path).row
    state.store.remove(resumable.list_pieces(state.db, row)[:1])
    refused = append(gateway, path, 50_000, IMAGE[50_000:])
    assert (refused.status_code, refused.json()["code"]) == (410, "upload_expired")
    assert gateway.get(path).status_code == 404


def test_there_are_limits_to_uploads_and_pieces(gateway: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "MOST_OPEN", 2)
    monkeypatch.setattr(resumable, "MOST_PIECES", 3)
    path, _ = begin(gateway, SIZE), begin(gateway, SIZE)
    refused = gateway.post(PATH, headers={**TUS, "Upload-Length": "5"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
    for offset in range(3):
        assert append(gateway, path, offset, IMAGE[offset : offset + 1]).status_code == 204
    answer = append(gateway, path, 3, IMAGE[3:4])
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_fragmented")
    # the rest in one piece
    assert append(gateway, path, 3, IMAGE[3:]).status_code == 204


def test_erasing_a_tenant_ends_its_uploads(gateway: TestClient, state: State, tenant: str) -> None:
    path = begin(gateway, SIZE)
    append(gateway, path, 0, IMAGE[:50_000])
    admin = {"Authorization": f"Bearer {keys.create(state.db, tenant, 'admin', scopes=('admin',))}"}
    assert gateway.delete("/v1/tenant", headers=admin).json()["complete"]
    assert gateway.get(path).status_code == 404
    assert is_empty(state, tenant)
