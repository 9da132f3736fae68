"""Refuses work while it still could be done, before a full disk breaks what runs."""

from service.problems import ServiceProblem
from service.state import State

# after how long an operator, or the collector, may have freed some space
RETRY_SECONDS = 30


def check_space(state: State, size: int = 0) -> None:
    """Raise ServiceProblem `service_full` where less than `min_free_bytes` would be left after `size`."""
    least = state.settings.min_free_bytes
    if state.store.free_bytes() < least + size:
        detail = f"the service keeps {least:,} bytes free, and has no space for this now: try again later"
        raise ServiceProblem("service_full", 503, detail, {"Retry-After": str(RETRY_SECONDS)})
