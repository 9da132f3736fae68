"""Jobs: submit, read, list, cancel."""

import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract import FINAL_STATES, Job, JobKind, JobPage, JobRequest, JobState

from service.delivery.results import job_of
from service.delivery.waiting import until_final
from service.guards import requests
from service.guards.keys import Caller
from service.problems import ServiceProblem
from service.state import State, state_of
from storage.ledger import JobRow, Submission, jobs

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d{1,4})\s*(?:,|$)")
JobPath = Annotated[str, Path(description="The id of a job")]


@router.post(
    "",
    status_code=202,
    response_model=Job,
    responses={200: {"model": Job, "description": "The job is over"}},
)
async def submit(
    http: Request,
    request: JobRequest,
    key: Caller,
    prefer: Annotated[str | None, Header(description="RFC 7240: 'wait=10' waits for the job")] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Submit a job. 202 means that it is durable; with 'Prefer: wait=N' a finished job answers 200."""
    state = state_of(http)
    row = await run_in_threadpool(_submit, state, key.tenant, request, idempotency_key)
    headers = {"Location": f"/v1/jobs/{row.id}"}
    wanted = WAIT.search(prefer or "")
    if wanted:
        seconds = min(float(wanted.group(1)), state.settings.max_wait_seconds)
        row = await until_final(state.db, row, seconds)
        headers["Preference-Applied"] = f"wait={seconds:.0f}"
    status = 200 if row.state in FINAL_STATES else 202
    if row.manifest_sha256 is None:
        return _told(job_of(row, state.results), status, headers)
    return _told(await run_in_threadpool(job_of, row, state.results), status, headers)


@router.get("")
def list_jobs(
    http: Request,
    key: Caller,
    kind: JobKind | None = None,
    state: JobState | None = None,
    cursor: Annotated[str | None, Query(pattern=r"^job_[0-9a-f]{28}$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobPage:
    """Your jobs, newest first."""
    here = state_of(http)
    rows = jobs.page(here.db, key.tenant, kind=kind, state=state, before=cursor, limit=limit + 1)
    more = len(rows) > limit
    return JobPage(
        jobs=[job_of(row) for row in rows[:limit]], next_cursor=rows[limit - 1].id if more else None
    )


@router.get("/{job_id}", response_model=Job)
def get_job(http: Request, key: Caller, job_id: JobPath) -> Response:
    """One job; the result is in it once it succeeded."""
    state = state_of(http)
    return _told(job_of(_known(state, key.tenant, job_id), state.results), 200)


@router.post("/{job_id}/cancel", status_code=202)
def cancel(http: Request, key: Caller, job_id: JobPath) -> Job:
    """Cancel a job: a queued one at once, a running one at its next heartbeat; a finished one stays."""
    state = state_of(http)
    if not jobs.cancel(state.db, key.tenant, job_id):
        raise _unknown(job_id)
    return job_of(_known(state, key.tenant, job_id), state.results)


def _told(job: Job, status: int, headers: dict[str, str] | None = None) -> Response:
    # the model is valid already: FastAPI would check it once more, and results are large
    return Response(job.model_dump_json(), status, headers, media_type="application/json")


def _submit(state: State, tenant: str, request: JobRequest, idempotency_key: str | None) -> JobRow:
    queue = state.router.queue_of(request)
    requests.check(state.db, tenant, request, queue)
    body = request.model_dump_json()
    submission = Submission(
        tenant=tenant,
        kind=request.kind,
        engine=request.engine,
        queue=queue,
        request=body,
        request_hash=hashlib.sha256(body.encode()).hexdigest(),
        timeout_seconds=request.timeout_seconds,
        idempotency_key=idempotency_key,
    )
    try:
        row, is_new = jobs.submit(state.db, submission)
    except jobs.IdempotencyConflict as conflict:
        raise ServiceProblem(
            "idempotency_key_reused",
            409,
            f"this Idempotency-Key already names job {conflict} with another request: use a new key",
        ) from None
    if is_new:
        state.outbox.announce(row.id, queue, request.timeout_seconds)
    return row


def _known(state: State, tenant: str, job_id: str) -> JobRow:
    row = jobs.get(state.db, tenant, job_id)
    if row is None:
        raise _unknown(job_id)
    return row


def _unknown(job_id: str) -> ServiceProblem:
    return ServiceProblem("job_unknown", 404, f"no job of yours has the id {job_id}")
