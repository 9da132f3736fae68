"""Large uploads, by tus 1.0.0: sent in several requests, and taken up where a connection was cut.

The service finds an unfinished upload by its digest, so another process goes on as well.
"""

import asyncio
import base64
from pathlib import Path

from maquette._async.http import AsyncHttpClient
from maquette.contract import ResumableUpload
from maquette.errors import ApiError, ConnectionFailed
from maquette.http import RETRY_STATUS, HttpRequest, Slice, backoff_seconds
from maquette.progress import UploadProgress

# up to here, one request: to send it again takes seconds
WHOLE_BYTES = 16 << 20
# of one request: proxies that hold a body back before they pass it on lose this much at most
APPEND_BYTES = 64 << 20
PATH = "/v1/resumable-uploads"
TUS = {"Tus-Resumable": "1.0.0"}
# of an upload that has ended: another process has finished it, or nothing arrived for too long
ENDED = ("upload_unknown", "upload_expired")
# what an append may meet after which the upload goes on
PASSING = frozenset({*RETRY_STATUS, 408, 409})


async def upload_in_pieces(http: AsyncHttpClient, content: bytes | Path, digest: bytes) -> bool:
    """Upload a large file or bytes; False for small ones, and where the service does not resume uploads."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if size <= WHOLE_BYTES:
        return False
    name = content.name if isinstance(content, Path) else None
    while (begun := await _begin(http, size, digest)) is not None:
        try:
            await _send(http, Slice(content, 0, size), begun, UploadProgress(name, begun.offset, size))
        except ApiError as error:
            if error.code not in ENDED:
                raise
            known = HttpRequest(method="GET", path=f"/v1/uploads/{digest.hex()}", accept=(404,))
            if (await http.send(known)).status_code == 404:
                continue
        return True
    return False


async def _begin(http: AsyncHttpClient, size: int, digest: bytes) -> ResumableUpload | None:
    """Begin an upload, or take up the unfinished one; None where the service has no such uploads."""
    headers = {
        **TUS,
        "Upload-Length": str(size),
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
    }
    response = await http.send(HttpRequest(method="POST", path=PATH, headers=headers, accept=(404, 405)))
    return ResumableUpload.model_validate_json(response.content) if response.is_success else None


async def _send(
    http: AsyncHttpClient, content: Slice, begun: ResumableUpload, progress: UploadProgress
) -> None:
    """Append until all has arrived; raises what does not pass, and what fails often without any progress."""
    offset, failures = begun.offset, 0
    while offset < content.stop:
        _report(http, progress.move(offset))
        try:
            offset = await _append(http, content, begun.id, progress.move(offset))
            failures = 0
        except (ApiError, ConnectionFailed) as error:
            if failures == http.retries or (isinstance(error, ApiError) and error.status not in PASSING):
                raise
            await asyncio.sleep(backoff_seconds(failures, None))
            response = await http.send(HttpRequest(method="GET", path=f"{PATH}/{begun.id}", headers=TUS))
            arrived = ResumableUpload.model_validate_json(response.content).offset
            failures = 0 if arrived > offset else failures + 1
            offset = arrived
    _report(http, progress.move(offset))


async def _append(http: AsyncHttpClient, content: Slice, upload_id: str, progress: UploadProgress) -> int:
    """Send the next bytes in a request of their own; returns where the upload ends after them."""
    part = Slice(content.source, progress.sent, min(progress.sent + APPEND_BYTES, content.stop))
    sent = progress.sent

    def count(size: int) -> None:
        nonlocal sent
        sent += size
        # the last bytes have arrived once they are answered
        _report(http, progress.move(min(sent, content.stop - 1)))

    headers = {
        **TUS,
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(part.start),
    }
    request = HttpRequest(
        method="PATCH",
        path=f"{PATH}/{upload_id}",
        headers=headers,
        content=part,
        repeatable=False,
        on_sent=count,
    )
    response = await http.send(request)
    return int(response.headers["Upload-Offset"])


def _report(http: AsyncHttpClient, progress: UploadProgress) -> None:
    if http.on_upload is not None:
        http.on_upload(progress)
