"""Jobs: submit, read, list, cancel."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from maquette.contract import FINAL_STATES, DatasetJob, Job, JobKind, JobPage, JobRequest, JobState

from service.delivery.results import to_job
from service.delivery.waiting import preferred_wait, wait_until_final
from service.dispatch.submission import submit_job
from service.guards.datasets import sign_reviews
from service.guards.keys import Caller, find_actor
from service.problems import ServiceProblem
from service.state import State, get_state
from storage.ledger import JobRow, deletion, jobs

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
Prefer = Annotated[list[str] | None, Header(description="RFC 7240: 'wait=10' waits for the job")]
IdempotencyScope = Annotated[
    Literal["always", "active"],
    Header(
        description="'active': the idempotency key is free again once its job has ended or was asked to stop"
    ),
]
JobPath = Annotated[str, Path(description="The id of a job")]


@router.post(
    "",
    status_code=202,
    response_model=Job,
    responses={200: {"model": Job, "description": "The job has ended"}},
)
async def submit(
    http: Request,
    request: JobRequest,
    key: Caller,
    prefer: Prefer = None,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=200, description="The same key and request are the same job"),
    ] = None,
    idempotency_scope: IdempotencyScope = "always",
) -> Response:
    """Submit a job. 202 means that it is durable; with 'Prefer: wait=N' a finished job answers 200."""
    state = get_state(http)
    if isinstance(request, DatasetJob) and request.reviews:
        request = sign_reviews(request, key.name)
    frees_key = idempotency_scope == "active"
    row = await state.writes.run(submit_job, state, key.tenant, request, idempotency_key, frees_key=frees_key)
    headers = {"Location": f"/v1/jobs/{row.id}"}
    seconds = preferred_wait(", ".join(prefer or ()), state.settings.max_wait_seconds)
    if seconds is not None:
        row = await wait_until_final(state.db, state.notifier, row, seconds)
        headers["Preference-Applied"] = f"wait={seconds:.0f}"
    status = 200 if row.state in FINAL_STATES else 202
    if row.manifest_sha256 is None:
        return _respond(to_job(row, state.results), status, headers)
    return _respond(await run_in_threadpool(to_job, row, state.results), status, headers)


@router.get("")
def list_jobs(
    http: Request,
    key: Caller,
    kind: JobKind | None = None,
    state: JobState | None = None,
    cursor: Annotated[str | None, Query(pattern=r"^job_[0-9a-f]{28}$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    prefix: Annotated[
        str, Query(pattern=r"^(job_[0-9a-f]{0,28})?$", description="How the ids of the jobs start")
    ] = "",
) -> JobPage:
    """Your jobs, newest first."""
    app = get_state(http)
    rows = jobs.list_page(
        app.db, key.tenant, kind=kind, state=state, before=cursor, limit=limit + 1, prefix=prefix
    )
    more = len(rows) > limit
    return JobPage(
        jobs=[to_job(row) for row in rows[:limit]], next_cursor=rows[limit - 1].id if more else None
    )


@router.get("/{job_id}", response_model=Job)
def get_job(http: Request, key: Caller, job_id: JobPath) -> Response:
    """One job; it includes the result once it has succeeded."""
    state = get_state(http)
    return _respond(to_job(_require_job(state, key.tenant, job_id), state.results), 200)


@router.post("/{job_id}/cancel", status_code=202)
async def cancel(http: Request, key: Caller, job_id: JobPath) -> Job:
    """Cancel a job: a queued one at once, a running one at its next heartbeat; a finished one stays."""
    state = get_state(http)
    if not await state.writes.run(jobs.cancel, state.db, key.tenant, job_id):
        raise _job_unknown(job_id)
    row = await run_in_threadpool(_require_job, state, key.tenant, job_id)
    return await run_in_threadpool(to_job, row, state.results)


@router.delete("/{job_id}", status_code=204)
async def delete_job(http: Request, key: Caller, job_id: JobPath) -> None:
    """Delete a job that has ended, its events and its result; to delete it again changes nothing."""
    state = get_state(http)
    actor = find_actor(http)
    if not await state.writes.run(deletion.delete_job, state.db, key.tenant, job_id, actor):
        raise _job_unknown(job_id)


def _respond(job: Job, status: int, headers: dict[str, str] | None = None) -> Response:
    # the model is valid: FastAPI would validate it again, and results are large
    return Response(job.model_dump_json(), status, headers, media_type="application/json")


def _require_job(state: State, tenant: str, job_id: str) -> JobRow:
    row = jobs.get(state.db, tenant, job_id)
    if row is None:
        raise _job_unknown(job_id)
    return row


def _job_unknown(job_id: str) -> ServiceProblem:
    return ServiceProblem("job_unknown", 404, f"no job of yours has the id {job_id}")
