"""What the caller's tenant uses, and may use."""

from fastapi import APIRouter, Request
from maquette.contract import JobLimits, KeptDays, Quota, Usage

from service.dispatch.collector_thread import build_retention
from service.guards.keys import Caller
from service.state import get_state
from storage.collection import choose_retention
from storage.ledger import usage

router = APIRouter(prefix="/v1/usage", tags=["tenant"])


@router.get("")
def get_usage(http: Request, key: Caller) -> Usage:
    """Your stored bytes and jobs, with their limits, and for how long things are kept."""
    state = get_state(http)
    used, limits = usage.get_usage(state.db, key.tenant), state.limits.get(key.tenant)
    kept = choose_retention(state.db, key.tenant, build_retention(state.settings))
    return Usage(
        stored_bytes=Quota(used=used.stored_bytes, limit=_limit(limits.stored_bytes)),
        queued_jobs=Quota(used=used.queued_jobs, limit=_limit(limits.queued_jobs)),
        running_jobs=Quota(used=used.running_jobs, limit=_limit(limits.running_jobs)),
        requests_per_second=limits.requests_per_second or None,
        job=JobLimits(
            bytes=_limit(limits.job_bytes),
            frames=_limit(limits.job_frames),
            pixels=_limit(limits.job_pixels),
        ),
        kept_days=KeptDays(
            uploads=kept.uploads or None,
            results=kept.results or None,
            events=kept.events or None,
            scratch=kept.scratch or None,
        ),
    )


def _limit(value: float) -> int | None:
    return int(value) or None
