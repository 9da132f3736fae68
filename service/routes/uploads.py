"""Uploads: streamed to disk and hashed on the way, probed, then kept under their hash."""

import asyncio
import base64
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from maquette.contract import Media

from service.delivery.files import CONTENT, FileRequest, send_file
from service.guards.keys import Caller, find_actor
from service.guards.space import check_space
from service.problems import ServiceProblem
from service.routes.forms import read_form_file
from service.state import State, get_state
from storage.artefacts import ArtefactWriter
from storage.ledger import blobs, deletion, files, usage
from storage.take_down import take_down as remove_from_datasets

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
PIECE = 1 << 20
# boundaries and headers of a form beside its file
FORM_BYTES = 1 << 16
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
UploadPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The hash of an upload")]
KNOWN: dict[int | str, dict[str, Any]] = {200: {"description": "The content is known", "model": Media}}


@router.post("", status_code=201, openapi_extra=BODY, responses=KNOWN)
async def upload(
    request: Request,
    response: Response,
    key: Caller,
    content_digest: Annotated[str | None, Header(description="RFC 9530: sha-256=:base64:")] = None,
) -> Media:
    """Upload an image or a video; the same content again gives the same id with status 200."""
    state = get_state(request)
    expected = read_digest(content_digest)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > state.settings.max_upload_bytes + FORM_BYTES:
        raise _too_large(state)
    await run_in_threadpool(_check_quota, state, key.tenant, int(declared) if declared.isdigit() else 0)
    with state.store.writer() as writer:
        await _receive(request, writer, state)
        if writer.bytes == 0:
            raise ServiceProblem("upload_empty", 422, "the upload has no bytes: send the file as the body")
        if expected is not None and writer.sha256() != expected:
            raise ServiceProblem(
                "digest_mismatch", 400, "the bytes do not match Content-Digest: send the file again"
            )
        media, is_new = await _keep(state, key.tenant, writer)
    if not is_new:
        response.status_code = 200
    return media


@router.get("/{sha256}")
def get_upload(request: Request, key: Caller, sha256: UploadPath) -> Media:
    """What the service knows of an upload; 404 means that it has to be sent."""
    state = get_state(request)
    row = files.use_media(state.db, key.tenant, sha256)
    if row is None or not state.store.has(sha256):
        raise _media_unknown(sha256)
    return Media(id=sha256, **row.info)


@router.get("/{sha256}/content", response_class=StreamingResponse, responses=CONTENT)
def get_upload_content(
    request: Request,
    key: Caller,
    sha256: UploadPath,
    content_range: Annotated[str | None, Header(alias="range")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    """The bytes of an upload as they were sent; its hash is its ETag."""
    state = get_state(request)
    row = files.use_media(state.db, key.tenant, sha256)
    if row is None or not state.store.has(sha256):
        raise _media_unknown(sha256)
    asked = FileRequest(request.method, content_range, if_none_match, if_range)
    # a deleted upload must not be shown from a cache
    headers = {"Cache-Control": "private, no-cache"}
    return send_file(state.store, sha256, row.info["media_type"], row.info["bytes"], asked, headers)


@router.delete("/{sha256}", status_code=204)
async def delete_upload(
    request: Request,
    key: Caller,
    sha256: UploadPath,
    with_jobs: Annotated[
        bool, Query(description="Delete the jobs that name it, and those that continue them, as well")
    ] = False,
    take_down: Annotated[
        bool, Query(description="Delete the files about it from datasets, as their takedown.json lists them")
    ] = False,
) -> None:
    """Delete an upload; results that were made from it are kept, unless they are to go with it."""
    state = get_state(request)
    delete = deletion.delete_upload_and_jobs if with_jobs else deletion.delete_upload
    actor = find_actor(request)

    def delete_all() -> bool:
        # also where the upload itself has gone already
        taken = remove_from_datasets(state.db, state.store, key.tenant, sha256, actor) if take_down else 0
        return delete(state.db, key.tenant, sha256, actor) or taken > 0

    if not await state.writes.run(delete_all):
        raise _media_unknown(sha256)


async def _receive(request: Request, writer: ArtefactWriter, state: State) -> None:
    """Write the body, or the file of a form, as it arrives; raises ServiceProblem past a limit."""
    content_type = request.headers.get("content-type", "")
    stream = _read_body(request.stream(), state)
    if content_type.lower().startswith("multipart/form-data"):
        stream = read_form_file(stream, content_type)
    # chunks are collected, not joined: joining would copy every byte twice more
    pending: list[bytes] = []
    size = 0
    async for chunk in stream:
        pending.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            full, pending, size = pending, [], 0
            await state.uploads.run(_write, writer, full, state)
    await state.uploads.run(_write, writer, pending, state)


async def _read_body(stream: AsyncIterator[bytes], state: State) -> AsyncIterator[bytes]:
    """The body, ended with a problem when nothing arrives for some time, or too much."""
    seconds = state.settings.upload_idle_seconds
    size = 0
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ServiceProblem(
                "upload_stalled", 408, f"nothing arrived for {seconds:.0f} s: send the file again"
            ) from None
        if chunk is None:
            return
        size += len(chunk)
        if size > state.settings.max_upload_bytes + FORM_BYTES:
            raise _too_large(state)
        yield chunk


def _write(writer: ArtefactWriter, chunks: list[bytes], state: State) -> None:
    for chunk in chunks:
        if writer.bytes + len(chunk) > state.settings.max_upload_bytes:
            raise _too_large(state)
        writer.write(chunk)


async def _keep(state: State, tenant: str, writer: ArtefactWriter) -> tuple[Media, bool]:
    """Probe and keep a complete upload; the second value is whether it is new."""
    known = await run_in_threadpool(files.use_media, state.db, tenant, writer.sha256())
    if known is not None and await run_in_threadpool(state.store.has, known.sha256):
        return Media(id=known.sha256, **known.info), False
    info = await state.probes.probe(writer.flush())
    info["bytes"] = writer.bytes
    # nothing refers to the file until it is complete: its row protects it for the grace time
    sha256 = await state.uploads.run(writer.commit, partial(blobs.reserve, state.db))
    most = state.limits.get(tenant).stored_bytes
    await state.writes.run(files.add_media, state.db, tenant, sha256, info, max_bytes=most)
    if not await run_in_threadpool(state.store.has, sha256):
        # storing took longer than the grace time, and the file was collected before it was referred to
        raise ServiceProblem(
            "service_busy", 503, "the upload took too long: send it again", {"Retry-After": "1"}
        )
    return Media(id=sha256, **info), True


def read_digest(header: str | None) -> str | None:
    """The hex SHA-256 of a Content-Digest (RFC 9530); None where there is none.

    Other algorithms in the list are left out; one that is not valid is a ServiceProblem `digest_mismatch`.
    """
    for item in (header or "").split(","):
        name, _, value = item.strip().partition("=")
        if name.strip().lower() != "sha-256":
            continue
        encoded = value.split(";")[0].strip()
        try:
            if len(encoded) < 2 or encoded[0] != ":" or encoded[-1] != ":":
                raise ValueError("a digest stands between colons")
            digest = base64.b64decode(encoded[1:-1], validate=True)
            if len(digest) != 32:
                raise ValueError("SHA-256 has 32 bytes")
        except ValueError as error:
            raise ServiceProblem(
                "digest_mismatch", 400, f"Content-Digest is not valid base64 of a SHA-256: {error}"
            ) from None
        return digest.hex()
    return None


def _check_quota(state: State, tenant: str, size: int) -> None:
    """Raise LimitReached or ServiceProblem before the body is read, unless the upload fits.

    What is sent again, although it is known, has to fit as well.
    """
    check_space(state, size)
    most = state.limits.get(tenant).stored_bytes
    with state.db.read() as connection:
        if most and usage.read_bytes(connection, tenant) + size > most + FORM_BYTES:
            raise usage.LimitReached("stored_bytes", most)


def _media_unknown(sha256: str) -> ServiceProblem:
    return ServiceProblem("media_unknown", 404, f"no upload has the id {sha256}")


def _too_large(state: State) -> ServiceProblem:
    limit = state.settings.max_upload_bytes
    return ServiceProblem("upload_too_large", 413, f"uploads are limited to {limit:,} bytes")
