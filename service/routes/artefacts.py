"""Artefacts: immutable files by their hash, complete or in ranges."""

import math
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from maquette.contract import ArtefactLink, MakeLink

from service.delivery.files import CONTENT, FileRequest, send_file
from service.guards.keys import Caller, find_actor
from service.guards.links import Link
from service.problems import ServiceProblem
from service.state import State, get_state
from storage.ledger import ApiKey, audit, deletion, files
from storage.ledger.audit import Actor

router = APIRouter(prefix="/v1/artefacts", tags=["artefacts"])
ArtefactPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="The hash of an artefact")]


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
    known = _require_artefact(state, key.tenant, sha256)
    headers = _list_sharing_headers(state, http.scope.get("maquette.link"))
    asked = FileRequest(http.method, content_range, if_none_match, if_range)
    return send_file(state.store, sha256, known.media_type, known.bytes, asked, headers)


@router.post("/{sha256}/links", status_code=201)
async def make_link(http: Request, key: Caller, sha256: ArtefactPath, request: MakeLink) -> ArtefactLink:
    """Make a link by which anybody can read the artefact until it expires, or until your key is revoked."""
    state = get_state(http)
    await run_in_threadpool(_require_artefact, state, key.tenant, sha256)
    expires = math.ceil(state.db.time.now_ns() / 1e9) + request.expires_seconds
    path = await run_in_threadpool(state.links.make_path, key, sha256, expires)
    await state.writes.run(_record_link, state, key, find_actor(http), sha256, expires)
    return ArtefactLink(path=path, expires_at=datetime.fromtimestamp(expires, UTC))


@router.delete("/{sha256}", status_code=204)
async def delete_artefact(http: Request, key: Caller, sha256: ArtefactPath) -> None:
    """Delete a file of results; jobs that have it are kept, and it answers 410 from then on."""
    state = get_state(http)
    actor = find_actor(http)
    if not await state.writes.run(deletion.delete_artefact, state.db, key.tenant, sha256, actor):
        raise _artefact_unknown(sha256)
    state.results.discard(sha256)


def _list_sharing_headers(state: State, link: Link | None) -> dict[str, str]:
    """For how long a copy may be kept, and whether pages of other sites may read it: by a link they may."""
    if link is None:
        return {"Cache-Control": "private, max-age=31536000, immutable"}
    left = max(0, int(link.expires - state.db.time.now_ns() / 1e9))
    return {
        "Cache-Control": f"private, max-age={left}",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Referrer-Policy": "no-referrer",
    }


def _require_artefact(state: State, tenant: str, sha256: str) -> files.ArtefactRow:
    known = files.find_artefact(state.db, tenant, sha256)
    if known is None:
        raise _artefact_unknown(sha256)
    if known.deleted:
        raise ServiceProblem("artefact_gone", 410, "this artefact was deleted: run the job again")
    return known


def _record_link(state: State, key: ApiKey, actor: Actor, sha256: str, expires: int) -> None:
    with state.db.write() as connection:
        detail = {"expires": expires}
        audit.record(connection, actor, "artefact.link", tenant=key.tenant, subject=sha256, detail=detail)


def _artefact_unknown(sha256: str) -> ServiceProblem:
    return ServiceProblem("artefact_unknown", 404, f"no artefact of yours has the hash {sha256}")
