"""Uploads that go on after a cut connection, by tus 1.0.0 (creation, expiration, termination)."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract import Media, ResumableUpload
from maquette.contract.media import UploadId
from starlette.requests import ClientDisconnect

from service.guards.keys import Caller
from service.intake.pieces import PieceReceiver, explain_offset, require_open
from service.intake.receiving import check_quota, read_digest, read_length, too_large
from service.problems import ServiceProblem
from service.state import State, get_state
from storage.ledger import files, resumable
from storage.ledger.resumable import ResumableRow, TooManyUploads

PREFIX = "/v1/resumable-uploads"
router = APIRouter(prefix=PREFIX, tags=["uploads"])
VERSION = "1.0.0"
APPENDED = "application/offset+octet-stream"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes from `Upload-Offset` on, as many as you like.",
        "content": {APPENDED: {"schema": {"type": "string", "format": "binary"}}},
    }
}
STATE_HEADERS: dict[str, Any] = {
    "Upload-Offset": {"description": "Where the next bytes belong", "schema": {"type": "integer"}},
    "Upload-Length": {"description": "The size of the complete upload", "schema": {"type": "integer"}},
    "Upload-Expires": {"description": "Until when it can be resumed", "schema": {"type": "string"}},
    "Content-Location": {"description": "The medium, once all has arrived", "schema": {"type": "string"}},
}
SHOWN: dict[int | str, dict[str, Any]] = {200: {"headers": STATE_HEADERS}}
APPENDED_TO: dict[int | str, dict[str, Any]] = {204: {"headers": STATE_HEADERS}}
OPENED: dict[int | str, dict[str, Any]] = {
    200: {"description": "An unfinished upload of this content goes on", "model": ResumableUpload},
    201: {"headers": {**STATE_HEADERS, "Location": {"schema": {"type": "string"}}}},
}
Version = Annotated[
    str, Header(alias="tus-resumable", description="Version of tus", json_schema_extra={"enum": [VERSION]})
]
UploadPath = Annotated[UploadId, Path(description="Id of a resumable upload")]
MOST = 2**53


@router.post("", status_code=201, responses=OPENED)
def open_upload(
    request: Request,
    response: Response,
    key: Caller,
    upload_length: Annotated[int, Header(ge=1, le=MOST, description="Bytes of the complete upload")],
    tus_resumable: Version = VERSION,
    repr_digest: Annotated[
        str | None, Header(description="RFC 9530: sha-256=:base64: of all bytes; finds an unfinished upload")
    ] = None,
) -> ResumableUpload:
    """Begin an upload that can be resumed, or take up the unfinished one of the same digest (200)."""
    state = get_state(request)
    _check_version(tus_resumable)
    expected = read_digest(repr_digest, "Repr-Digest")
    if upload_length > state.settings.max_upload_bytes:
        raise too_large(state)
    # what has arrived of an unfinished upload counts among the stored bytes already
    known = resumable.find_unfinished(state.db, key.tenant, upload_length, expected)
    check_quota(state, key.tenant, upload_length - (0 if known is None else known.received))
    seconds = state.settings.resumable_hours * 3600
    try:
        row, is_new = resumable.open_upload(state.db, key.tenant, upload_length, expected, seconds=seconds)
    except TooManyUploads:
        detail = f"your tenant has {resumable.MOST_OPEN:,} unfinished uploads: finish or delete some"
        raise ServiceProblem("too_many_uploads", 429, detail, {"Retry-After": "60"}) from None
    response.headers["Location"] = f"{PREFIX}/{row.id}"
    if not is_new:
        response.status_code = 200
    return _show(state, row, response)


@router.get("/{upload_id}", responses=SHOWN)
def get_resumable_upload(
    request: Request, response: Response, key: Caller, upload_id: UploadPath, tus_resumable: Version = VERSION
) -> ResumableUpload:
    """How much of an upload has arrived; HEAD gives the headers alone."""
    state = get_state(request)
    _check_version(tus_resumable)
    row = require_open(resumable.get(state.db, key.tenant, upload_id), upload_id)
    return _show(state, row, response)


@router.patch("/{upload_id}", status_code=204, openapi_extra=BODY, responses=APPENDED_TO)
async def append_to_upload(
    request: Request,
    key: Caller,
    upload_id: UploadPath,
    upload_offset: Annotated[int, Header(ge=0, le=MOST, description="Where these bytes belong")],
    tus_resumable: Version = VERSION,
) -> Response:
    """Append bytes; what arrives before the connection is cut is kept, and the last ones make the medium."""
    state = get_state(request)
    _check_version(tus_resumable)
    if request.headers.get("content-type", "").lower() != APPENDED:
        raise ServiceProblem("content_type_unsupported", 415, f"send the bytes as 'Content-Type: {APPENDED}'")
    found = await run_in_threadpool(resumable.get, state.db, key.tenant, upload_id)
    row = require_open(found, upload_id)
    if upload_offset != row.received:
        raise explain_offset(row)
    size = read_length(request)
    if size > row.bytes - row.received:
        detail = f"the upload has {row.bytes:,} bytes, and these would go beyond them"
        raise ServiceProblem("upload_too_large", 413, detail)
    await run_in_threadpool(check_quota, state, key.tenant, size)
    receiver = PieceReceiver(state, row)
    if row.media_sha256 is None:
        try:
            await receiver.receive(request.stream())
        except ClientDisconnect:
            # nobody reads the answer: the client asks where to go on
            return Response(status_code=204)
    answer = Response(status_code=204)
    _add_headers(answer, receiver.row)
    return answer


@router.delete("/{upload_id}", status_code=204)
async def discard_resumable_upload(
    request: Request, key: Caller, upload_id: UploadPath, tus_resumable: Version = VERSION
) -> Response:
    """Give an upload up: what has arrived is deleted. The medium of a finished one is kept."""
    state = get_state(request)
    _check_version(tus_resumable)
    if not await state.writes.run(resumable.discard, state.db, key.tenant, upload_id):
        require_open(None, upload_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


@router.options("", include_in_schema=False)
def describe_protocol(request: Request, key: Caller) -> Response:
    """What tus calls the server's configuration."""
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": "creation,expiration,termination",
        "Tus-Max-Size": str(get_state(request).settings.max_upload_bytes),
    }
    return Response(status_code=204, headers=headers)


def _check_version(asked: str) -> None:
    if asked != VERSION:
        detail = f"this service speaks tus {VERSION}: send 'Tus-Resumable: {VERSION}'"
        raise ServiceProblem("tus_version_unsupported", 412, detail, {"Tus-Version": VERSION})


def _show(state: State, row: ResumableRow, response: Response) -> ResumableUpload:
    _add_headers(response, row)
    known = None if row.media_sha256 is None else files.find_media(state.db, row.tenant, row.media_sha256)
    return ResumableUpload(
        id=row.id,
        bytes=row.bytes,
        offset=row.received,
        media=None if known is None else Media(id=known.sha256, **known.info),
        expires_at=_to_time(row.expires_at),
    )


def _add_headers(response: Response, row: ResumableRow) -> None:
    headers = {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(row.received),
        "Upload-Length": str(row.bytes),
        "Upload-Expires": format_datetime(_to_time(row.expires_at), usegmt=True),
        "Cache-Control": "no-store",
    }
    if row.media_sha256 is not None:
        headers["Content-Location"] = f"/v1/uploads/{row.media_sha256}"
    response.headers.update(headers)


def _to_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
