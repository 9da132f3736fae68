"""Uploads: streamed to disk and hashed on the way, probed, then kept under their hash."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from maquette.contract import Media

from service.delivery.files import CONTENT, FileRequest, send_file
from service.guards.keys import Caller, find_actor
from service.intake.keeping import find_known, keep
from service.intake.receiving import (
    FORM_BYTES,
    batch,
    check_quota,
    read_body,
    read_digest,
    read_length,
    too_large,
)
from service.problems import ServiceProblem
from service.routes.forms import read_form_file
from service.state import State, get_state
from storage.artefacts import ArtefactWriter
from storage.ledger import deletion, files
from storage.take_down import take_down as remove_from_datasets

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
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
    size = read_length(request)
    if size > state.settings.max_upload_bytes + FORM_BYTES:
        raise too_large(state)
    await run_in_threadpool(check_quota, state, key.tenant, size)
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


def _media_unknown(sha256: str) -> ServiceProblem:
    return ServiceProblem("media_unknown", 404, f"no upload has the id {sha256}")


async def _receive(request: Request, writer: ArtefactWriter, state: State) -> None:
    """Write the body, or the file of a form, as it arrives; raises ServiceProblem past a limit."""
    content_type = request.headers.get("content-type", "")
    stream = read_body(request.stream(), state)
    if content_type.lower().startswith("multipart/form-data"):
        stream = read_form_file(stream, content_type)
    async for chunks in batch(stream):
        await state.uploads.run(_write, writer, chunks, state)


def _write(writer: ArtefactWriter, chunks: list[bytes], state: State) -> None:
    for chunk in chunks:
        if writer.bytes + len(chunk) > state.settings.max_upload_bytes:
            raise too_large(state)
        writer.write(chunk)


async def _keep(state: State, tenant: str, writer: ArtefactWriter) -> tuple[Media, bool]:
    """Probe and keep a complete upload; the second value is whether it is new."""
    known = await find_known(state, tenant, writer)
    if known is not None:
        return Media(id=writer.sha256(), **known), False
    info = await keep(state, tenant, writer, partial(files.add_media, state.db, tenant))
    return Media(id=writer.sha256(), **info), True
