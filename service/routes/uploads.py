"""Uploads: streamed to disk and hashed on the way, probed, then kept under their hash."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract import Media
from starlette.datastructures import UploadFile

from service.guards.keys import Caller
from service.problems import ServiceProblem
from service.state import State, get_state
from storage.artefacts import ArtefactWriter
from storage.ledger import files

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
PIECE = 1 << 20
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file's bytes as they are; or a multipart form with the part 'file'.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


@router.post("", status_code=201, openapi_extra=BODY)
async def upload(
    request: Request,
    response: Response,
    key: Caller,
    content_digest: Annotated[str | None, Header(description="RFC 9530: sha-256=:base64:")] = None,
) -> Media:
    """Upload an image or a video; the same content again gives the same id with status 200."""
    state = get_state(request)
    expected = _expected(content_digest)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > state.settings.max_upload_bytes:
        raise _too_large(state)
    with state.store.writer() as writer:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            await _receive_form(request, writer, state)
        else:
            await _receive(request, writer, state)
        if writer.bytes == 0:
            raise ServiceProblem("upload_empty", 422, "the upload has no bytes: send the file as the body")
        if expected is not None and writer.sha256() != expected:
            raise ServiceProblem(
                "digest_mismatch", 400, "the bytes do not match Content-Digest: send the file again"
            )
        media, is_new = await run_in_threadpool(_keep, state, key.tenant, writer)
    if not is_new:
        response.status_code = 200
    return media


@router.get("/{sha256}")
def get_upload(
    request: Request, key: Caller, sha256: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
) -> Media:
    """What the service knows of an upload; 404 says that it has to be sent."""
    row = files.find_media(get_state(request).db, key.tenant, sha256)
    if row is None:
        raise ServiceProblem("media_unknown", 404, f"no upload has the id {sha256}")
    return Media(id=sha256, **row.info)


async def _receive(request: Request, writer: ArtefactWriter, state: State) -> None:
    # chunks are collected, not joined: joining would copy every byte twice more
    pending: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        pending.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            full, pending, size = pending, [], 0
            await run_in_threadpool(_write, writer, full, state)
    await run_in_threadpool(_write, writer, pending, state)


async def _receive_form(request: Request, writer: ArtefactWriter, state: State) -> None:
    async with request.form(max_files=1, max_fields=8) as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise ServiceProblem("upload_empty", 422, "the form needs the part 'file' with a file name")
        while chunk := await part.read(PIECE):
            await run_in_threadpool(_write, writer, [chunk], state)


def _write(writer: ArtefactWriter, chunks: list[bytes], state: State) -> None:
    for chunk in chunks:
        if writer.bytes + len(chunk) > state.settings.max_upload_bytes:
            raise _too_large(state)
        writer.write(chunk)


def _keep(state: State, tenant: str, writer: ArtefactWriter) -> tuple[Media, bool]:
    known = files.find_media(state.db, tenant, writer.sha256())
    if known is not None:
        return Media(id=known.sha256, **known.info), False
    info = state.probes.probe(writer.flush())
    info["bytes"] = writer.bytes
    sha256 = writer.commit()
    files.add_media(state.db, tenant, sha256, info)
    return Media(id=sha256, **info), True


def _expected(header: str | None) -> str | None:
    if header is None or not header.startswith("sha-256=:") or not header.endswith(":"):
        return None
    try:
        return base64.b64decode(header[9:-1], validate=True).hex()
    except binascii.Error:
        raise ServiceProblem("digest_mismatch", 400, "Content-Digest is not valid base64") from None


def _too_large(state: State) -> ServiceProblem:
    limit = state.settings.max_upload_bytes
    return ServiceProblem("upload_too_large", 413, f"uploads are limited to {limit:,} bytes")
