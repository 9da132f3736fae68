"""Waiting for a job without holding a thread."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi.concurrency import run_in_threadpool
from maquette.contract import FINAL_STATES

from storage.ledger import Database, JobRow, jobs

FIRST_PAUSE = 0.015
LONGEST_PAUSE = 0.25
KEEP_ALIVE = 15.0
WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d{1,4})\s*(?:,|$)")


def preferred_wait(prefer: str | None, most: float) -> float | None:
    """The seconds that a Prefer header (RFC 7240) asks to wait, `most` at most; None when it asks nothing."""
    wanted = WAIT.search(prefer or "")
    return min(float(wanted.group(1)), most) if wanted else None


async def until_final(db: Database, row: JobRow, seconds: float) -> JobRow:
    """The job once it is over, or as it is after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while row.state not in FINAL_STATES and time.monotonic() < deadline:
        await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(LONGEST_PAUSE, pause * 1.3)
        found = await run_in_threadpool(jobs.get, db, row.tenant, row.id)
        if found is None:
            break
        row = found
    return row


async def events(db: Database, job_id: str, after: int) -> AsyncIterator[dict[str, Any] | None]:
    """Events of a job as they come, from `after` on, until it is over; None keeps the line alive."""
    pause = FIRST_PAUSE
    quiet_since = time.monotonic()
    while True:
        found = await run_in_threadpool(jobs.list_events, db, job_id, after)
        for event in found:
            after = event["seq"]
            yield event
            if event["type"] == "state" and event["data"]["state"] in FINAL_STATES:
                return
        if found:
            pause, quiet_since = FIRST_PAUSE, time.monotonic()
        elif time.monotonic() - quiet_since > KEEP_ALIVE:
            quiet_since = time.monotonic()
            yield None
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 1.3)
