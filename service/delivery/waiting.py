"""Waiting for a job without holding a thread."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi.concurrency import run_in_threadpool
from maquette.contract import FINAL_STATES

from service.delivery.notifier import Notifier
from storage.ledger import Database, JobRow, jobs

KEEP_ALIVE = 15.0
PREFERENCE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?[^,]*')
SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


def preferred_wait(prefer: str | None, most: float) -> float | None:
    """The seconds that a Prefer header (RFC 7240) asks to wait, at most `most`; None without such a wish.

    Names are compared without case, values may be quoted, and of several the first counts.
    """
    for preference in PREFERENCE.finditer(prefer or ""):
        name, value = preference.group(1), (preference.group(2) or "").strip('"')
        if name.lower() == "wait":
            return min(float(value), most) if SECONDS.fullmatch(value) else None
    return None


async def wait_until_final(db: Database, notifier: Notifier, row: JobRow, seconds: float) -> JobRow:
    """The job once it has ended, or as it is after `seconds`."""
    deadline = time.monotonic() + seconds
    with notifier.subscribe(row.id) as changed:
        while True:
            changed.clear()
            current = await run_in_threadpool(jobs.get, db, row.tenant, row.id)
            if current is None:
                return row
            row = current
            left = deadline - time.monotonic()
            if row.state in FINAL_STATES or left <= 0:
                return row
            await _wait(changed, left)


async def follow_events(notifier: Notifier, job_id: str, after: int) -> AsyncIterator[dict[str, Any] | None]:
    """Events of a job after the number `after`, as they occur, until it ends; None means keep-alive."""
    with notifier.subscribe(job_id) as changed:
        while True:
            changed.clear()
            events = await notifier.read_history(job_id, after)
            for event in events:
                after = event["seq"]
                yield event
                if event["type"] == "state" and event["data"]["state"] in FINAL_STATES:
                    return
            if not events and not await _wait(changed, KEEP_ALIVE):
                yield None


async def _wait(changed: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set in time."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return False
    return True
