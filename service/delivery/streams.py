"""How many event streams are open, in all and per tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service import metrics
from service.problems import ServiceProblem

RETRY_SECONDS = 5


class StreamLimit:
    """Counts open streams; each holds a connection and a little memory for as long as its job runs."""

    def __init__(self, max_streams: int, max_per_tenant: int) -> None:
        self._max_streams = max_streams
        self._max_per_tenant = max_per_tenant
        self._open: Counter[str] = Counter()

    def check(self, tenant: str) -> None:
        """Raise ServiceProblem `too_many_streams` when no further one may be opened."""
        retry = {"Retry-After": str(RETRY_SECONDS)}
        if self._open[tenant] >= self._max_per_tenant:
            detail = f"you have {self._open[tenant]} event streams open: close some, or poll the jobs"
            raise ServiceProblem("too_many_streams", 429, detail, retry)
        if self._open.total() >= self._max_streams:
            raise ServiceProblem("too_many_streams", 503, "too many event streams are open: try again", retry)

    @contextmanager
    def hold(self, tenant: str) -> Iterator[None]:
        """Count one stream while it is open."""
        self._open[tenant] += 1
        metrics.STREAMS.inc()
        try:
            yield
        finally:
            self._open[tenant] -= 1
            metrics.STREAMS.dec()
            if not self._open[tenant]:
                del self._open[tenant]
