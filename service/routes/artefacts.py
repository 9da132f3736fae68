"""Artefacts: immutable files by their hash, complete or in ranges."""

from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import StreamingResponse

from service.delivery import ranges
from service.guards.keys import Caller, find_actor
from service.problems import ServiceProblem
from service.state import get_state
from storage.ledger import deletion, files

router = APIRouter(prefix="/v1/artefacts", tags=["artefacts"])
ArtefactPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The hash of an artefact")]
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The complete file", "content": {"application/octet-stream": {}}},
    206: {"description": "The requested range", "content": {"application/octet-stream": {}}},
    304: {"description": "The client has it already"},
    416: {"description": "The range lies outside the file"},
}


@router.api_route("/{sha256}", methods=["GET"], response_class=StreamingResponse, responses=CONTENT)
@router.api_route("/{sha256}", methods=["HEAD"], response_class=Response, include_in_schema=False)
def get_artefact(
    http: Request,
    key: Caller,
    sha256: ArtefactPath,
    content_range: Annotated[str | None, Header(alias="range")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    """The bytes of an artefact; its hash is its ETag."""
    state = get_state(http)
    known = files.find_artefact(state.db, key.tenant, sha256)
    if known is None:
        raise _artefact_unknown(sha256)
    if known.deleted:
        raise ServiceProblem("artefact_gone", 410, "this artefact was deleted: run the job again")
    media_type, size = known.media_type, known.bytes
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    # a page that a job wrote is saved, and never opened in the origin of the gateway
    if media_type.partition(";")[0].strip().lower() == "text/html":
        headers["Content-Disposition"] = "attachment"
    if if_none_match and _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    # a range means something to GET alone (RFC 9110, 14.2)
    may_be_partial = http.method == "GET" and if_range in (None, etag)
    try:
        wanted = ranges.parse(content_range, size) if may_be_partial else None
    except ranges.Unsatisfiable:
        raise ServiceProblem(
            "range_not_satisfiable",
            416,
            f"the artefact has {size} bytes",
            {"Content-Range": f"bytes */{size}"},
        ) from None
    start, stop = wanted or (0, size)
    headers["Content-Length"] = str(stop - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if wanted else 200
    if http.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    # the first piece is read before the headers are sent: a lost file is a problem, not a broken stream
    pieces = state.store.read(sha256, start, stop)
    content = chain([next(pieces, b"")], pieces)
    return StreamingResponse(content, status, headers, media_type)


@router.delete("/{sha256}", status_code=204)
async def delete_artefact(http: Request, key: Caller, sha256: ArtefactPath) -> None:
    """Delete a file of results; jobs that have it are kept, and it answers 410 from then on."""
    state = get_state(http)
    actor = find_actor(http)
    if not await state.writes.run(deletion.delete_artefact, state.db, key.tenant, sha256, actor):
        raise _artefact_unknown(sha256)
    state.results.discard(sha256)


def _artefact_unknown(sha256: str) -> ServiceProblem:
    return ServiceProblem("artefact_unknown", 404, f"no artefact of yours has the hash {sha256}")


def _matches(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(tags & {"*", etag})
