"""Turns a request into a durable job, and announces it."""

import hashlib

from maquette.contract import JobRequest, SegmentJob

from service.guards.requests import check_request
from service.problems import ServiceProblem
from service.state import State
from storage.ledger import JobRow, Submission, jobs


def submit_job(
    state: State,
    tenant: str,
    request: JobRequest,
    idempotency_key: str | None,
    *,
    frees_key: bool = False,
) -> JobRow:
    """Check, store and announce a job; raises ServiceProblem, MediaError or UnknownPhrase.

    With `frees_key`, the key is free again once its job has ended or was asked to stop.
    """
    queue = state.router.choose_queue(request)
    check_request(state, tenant, request, queue)
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
        subject=request.image.id if isinstance(request, SegmentJob) else None,
    )
    try:
        row, is_new = jobs.submit(state.db, submission, frees_key=frees_key)
    except jobs.IdempotencyConflict as conflict:
        raise ServiceProblem(
            "idempotency_key_reused",
            409,
            f"this Idempotency-Key already names job {conflict} with another request: use a new key",
        ) from None
    if is_new:
        state.outbox.announce(row.id, queue, request.timeout_seconds)
    return row
