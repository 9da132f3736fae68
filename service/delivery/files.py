"""Immutable files by their hash, complete or in ranges."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from service.delivery import ranges
from service.problems import ServiceProblem
from storage.artefacts import ArtefactStore

CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The complete file", "content": {"application/octet-stream": {}}},
    206: {"description": "The requested range", "content": {"application/octet-stream": {}}},
    304: {"description": "The client has it already"},
    416: {"description": "The range lies outside the file"},
}


@dataclass(frozen=True, slots=True)
class FileRequest:
    """How a file is asked for: the method, and the headers of that name."""

    method: str
    range: str | None = None
    if_none_match: str | None = None
    if_range: str | None = None


def send_file(
    store: ArtefactStore,
    sha256: str,
    media_type: str,
    size: int,
    asked: FileRequest,
    extra_headers: Mapping[str, str],
) -> Response:
    """A file of `size` bytes, or the range of it that is asked for; raises ServiceProblem for another range.

    A browser neither guesses another type than `media_type` nor runs anything in the file.
    """
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    # a page that a job wrote is saved, and never opened in the origin of the gateway
    if media_type.partition(";")[0].strip().lower() == "text/html":
        headers["Content-Disposition"] = "attachment"
    headers |= extra_headers
    if asked.if_none_match and _matches(asked.if_none_match, etag):
        return Response(status_code=304, headers=headers)
    # a range means something to GET alone (RFC 9110, 14.2)
    may_be_partial = asked.method == "GET" and asked.if_range in (None, etag)
    try:
        wanted = ranges.parse(asked.range, size) if may_be_partial else None
    except ranges.Unsatisfiable:
        raise ServiceProblem(
            "range_not_satisfiable",
            416,
            f"the file has {size} bytes",
            {"Content-Range": f"bytes */{size}"},
        ) from None
    start, stop = wanted or (0, size)
    headers["Content-Length"] = str(stop - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if wanted else 200
    if asked.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    # the first piece is read before the headers are sent: a lost file is a problem, not a broken stream
    pieces = store.read(sha256, start, stop)
    content = chain([next(pieces, b"")], pieces)
    return StreamingResponse(content, status, headers, media_type)


def _matches(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(tags & {"*", etag})
