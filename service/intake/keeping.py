"""Complete uploads: probed in a sandbox, stored under their hash, and recorded."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi.concurrency import run_in_threadpool

from service.guards.media import MediaInfo
from service.problems import ServiceProblem
from service.state import State
from storage.artefacts import ArtefactWriter
from storage.ledger import blobs, files

# records a medium by its hash and what is known of it, unless the tenant has `max_bytes` already
Record = Callable[..., Any]


async def find_known(state: State, tenant: str, writer: ArtefactWriter) -> MediaInfo | None:
    """What is known of an upload that the tenant has already, which counts as a use."""
    known = await run_in_threadpool(files.use_media, state.db, tenant, writer.sha256())
    if known is None or not await run_in_threadpool(state.store.has, known.sha256):
        return None
    return known.info


async def keep(state: State, tenant: str, writer: ArtefactWriter, record: Record) -> MediaInfo:
    """Probe, store and record a complete upload; raises MediaError, LimitReached and ServiceProblem."""
    info = await state.probes.probe(writer.flush())
    info["bytes"] = writer.bytes
    # nothing refers to the file until it is complete: its row protects it for the grace time
    sha256 = await state.uploads.run(writer.commit, partial(blobs.reserve, state.db))
    most = state.limits.get(tenant).stored_bytes
    await state.writes.run(record, sha256, info, max_bytes=most)
    if not await run_in_threadpool(state.store.has, sha256):
        # storing took longer than the grace time, and the file was collected before it was referred to
        raise ServiceProblem(
            "service_busy", 503, "the upload took too long: send it again", {"Retry-After": "1"}
        )
    return info
