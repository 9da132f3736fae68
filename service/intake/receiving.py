"""Bodies of uploads as they arrive: bounded in bytes and in time."""

import asyncio
import base64
from collections.abc import AsyncIterator

from fastapi import Request

from service.guards.space import check_space
from service.problems import ServiceProblem
from service.state import State
from storage.ledger import usage

# what is written at once
BATCH_BYTES = 1 << 20
# boundaries and headers of a form beside its file
FORM_BYTES = 1 << 16


async def read_body(stream: AsyncIterator[bytes], state: State) -> AsyncIterator[bytes]:
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
            raise too_large(state)
        yield chunk


async def batch(stream: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """What arrives, in lists of about BATCH_BYTES; an error comes after what had arrived before it."""
    # chunks are collected, not joined: joining would copy every byte twice more
    pending: list[bytes] = []
    total = 0
    try:
        async for chunk in stream:
            pending.append(chunk)
            total += len(chunk)
            if total >= BATCH_BYTES:
                full, pending, total = pending, [], 0
                yield full
    except Exception:
        if pending:
            yield pending
        raise
    yield pending


def read_length(request: Request) -> int:
    """The length that a body is said to have; 0 where that is not known."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdigit() else 0


def read_digest(header: str | None, name: str = "Content-Digest") -> str | None:
    """The hex SHA-256 of a digest field (RFC 9530); None where there is none.

    Other algorithms in the list are left out; one that is not valid is a ServiceProblem `digest_mismatch`.
    """
    for item in (header or "").split(","):
        algorithm, _, value = item.strip().partition("=")
        if algorithm.strip().lower() != "sha-256":
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
                "digest_mismatch", 400, f"{name} is not valid base64 of a SHA-256: {error}"
            ) from None
        return digest.hex()
    return None


def check_quota(state: State, tenant: str, size: int) -> None:
    """Raise LimitReached or ServiceProblem before a body is read, unless an upload of `size` fits.

    What is sent again, although it is known, has to fit as well.
    """
    check_space(state, size)
    most = state.limits.get(tenant).stored_bytes
    with state.db.read() as connection:
        if most and usage.read_bytes(connection, tenant) + size > most + FORM_BYTES:
            raise usage.LimitReached("stored_bytes", most)


def too_large(state: State) -> ServiceProblem:
    """The problem of an upload that is larger than any may be."""
    limit = state.settings.max_upload_bytes
    return ServiceProblem("upload_too_large", 413, f"uploads are limited to {limit:,} bytes")
