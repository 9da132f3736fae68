"""What a tenant may use: requests per second, and the media of one job. The ledger counts the rest."""

import math
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool
from maquette.contract import JobRequest, Problem
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.guards.media import list_uploads
from service.problems import ServiceProblem, respond
from service.settings import ServiceSettings
from storage.ledger import ApiKey, Database, files, usage
from storage.ledger.usage import Limits

# a tenant may send as much at once as it may send in this time
WINDOW_SECONDS = 10
# how soon a change by an operator counts
CACHE_SECONDS = 10.0
CACHE_SIZE = 10_000


@dataclass(slots=True)
class Bucket:
    """The requests that a tenant may send now, as of a time of the monotonic clock."""

    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether a request is within the limit, and what is left (draft-ietf-httpapi-ratelimit-headers)."""

    allowed: bool
    limit: float
    left: float

    @property
    def retry_seconds(self) -> int:
        """After how long the next request is allowed."""
        return max(1, math.ceil((1 - self.left) / self.limit))

    def headers(self) -> dict[str, str]:
        """The headers of every answer: the policy, and what is left."""
        quota = max(1, round(self.limit * WINDOW_SECONDS))
        full_in = math.ceil(max(0.0, quota - self.left) / self.limit)
        return {
            "RateLimit-Policy": f'"requests";q={quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={max(0, math.floor(self.left))};t={full_in}',
        }


class TenantLimits:
    """The limits of tenants, cached for CACHE_SECONDS, and how many requests each may send."""

    def __init__(self, db: Database, settings: ServiceSettings) -> None:
        self._db = db
        self._default = build_limits(settings)
        self._known: dict[str, tuple[float, Limits]] = {}
        self._buckets: dict[str, Bucket] = {}

    def find_cached(self, tenant: str) -> Limits | None:
        """The limits of a tenant that were read lately."""
        known = self._known.get(tenant)
        return known[1] if known and known[0] > self._db.time.monotonic() else None

    def get(self, tenant: str) -> Limits:
        """The limits of a tenant."""
        limits = self.find_cached(tenant)
        if limits is None:
            limits = usage.choose_limits(self._db, tenant, self._default)
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[tenant] = (self._db.time.monotonic() + CACHE_SECONDS, limits)
        return limits

    def take(self, tenant: str, limits: Limits) -> Grant | None:
        """Count a request; None without a limit."""
        rate = limits.requests_per_second
        if not rate:
            return None
        moment, most = self._db.time.monotonic(), max(1.0, rate * WINDOW_SECONDS)
        if len(self._buckets) >= CACHE_SIZE and tenant not in self._buckets:
            self._buckets.clear()
        bucket = self._buckets.setdefault(tenant, Bucket(most, moment))
        bucket.tokens = min(most, bucket.tokens + (moment - bucket.at) * rate)
        bucket.at = moment
        allowed = bucket.tokens >= 1
        bucket.tokens -= allowed
        return Grant(allowed, rate, bucket.tokens)


class RateGuard:
    """Answers 429 to a tenant that sends too many requests, before anything of a body is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key: ApiKey | None = scope.get("maquette.key")
        if key is None:
            await self._app(scope, receive, send)
            return
        guard: TenantLimits = scope["app"].state.maquette.limits
        limits = guard.find_cached(key.tenant)
        if limits is None:
            limits = await run_in_threadpool(guard.get, key.tenant)
        grant = guard.take(key.tenant, limits)
        if grant is None:
            await self._app(scope, receive, send)
        elif not grant.allowed:
            detail = f"your tenant may send {grant.limit:g} requests per second: wait for Retry-After"
            headers = {"Retry-After": str(grant.retry_seconds), **grant.headers()}
            problem = respond(Problem.from_code("too_many_requests", 429, detail), headers)
            await problem(scope, receive, send)
        else:
            known = grant.headers()

            async def send_with_limits(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(scope=message)
                    for name, value in known.items():
                        # an answer may name another limit before this one
                        headers[name] = ", ".join(filter(None, (headers.get(name), value)))
                await send(message)

            await self._app(scope, receive, send_with_limits)


def build_limits(settings: ServiceSettings) -> Limits:
    """The limits of tenants for which nothing else is set."""
    return Limits(
        stored_bytes=settings.max_stored_bytes,
        job_bytes=settings.max_job_bytes,
        job_pixels=settings.max_job_pixels,
        job_frames=settings.max_job_frames,
        queued_jobs=settings.max_queued_jobs,
        running_jobs=settings.max_running_jobs,
        requests_per_second=settings.max_requests_per_second,
    )


def check_job(db: Database, tenant: str, request: JobRequest, limits: Limits) -> None:
    """Raise ServiceProblem `job_too_large` for media that are together more than one job may have."""
    size, frames, pixels = 0, 0, 0
    for sha256 in set(list_uploads(request)):
        row = files.find_media(db, tenant, sha256)
        info = {} if row is None else row.info
        count = info.get("frames") or 1
        size += info.get("bytes") or 0
        frames += count
        pixels += count * (info.get("width") or 0) * (info.get("height") or 0)
    for name, value, limit in (
        ("bytes", size, limits.job_bytes),
        ("frames", frames, limits.job_frames),
        ("pixels", pixels, limits.job_pixels),
    ):
        if limit and value > limit:
            detail = f"the media of this job have {value:,} {name}; a job of yours may have {limit:,.0f}"
            raise ServiceProblem("job_too_large", 413, f"{detail}: split it")
