"""Turns a request into a durable job, and announces it."""

import hashlib
from contextlib import suppress

from maquette.contract import JobRequest, SegmentJob

from service.guards.limits import check_job
from service.guards.media import list_uploads
from service.guards.requests import check_request
from service.guards.space import check_space
from service.problems import ServiceProblem
from service.state import State
from storage.artefacts import ArtefactMissing
from storage.ledger import JobRow, Submission, jobs
from storage.ledger.inputs import InputGone


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
    check_space(state)
    queue = state.router.choose_queue(request)
    check_request(state, tenant, request, queue)
    limits = state.limits.get(tenant)
    check_job(state.db, tenant, request, limits)
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
        from_job=getattr(request, "from_job", None),
    )
    try:
        media = _list_media(state, tenant, request)
        row, is_new = jobs.submit(
            state.db, submission, frees_key=frees_key, media=media, max_queued=limits.queued_jobs
        )
    except jobs.IdempotencyConflict as conflict:
        raise ServiceProblem(
            "idempotency_key_reused",
            409,
            f"this Idempotency-Key already names job {conflict} with another request: use a new key",
        ) from None
    except InputGone as gone:
        raise input_gone(gone) from None
    if is_new:
        state.outbox.announce(row.id, queue, request.timeout_seconds)
    return row


def input_gone(gone: InputGone) -> ServiceProblem:
    """The problem of a request whose medium or job was deleted after it was checked."""
    if gone.name.startswith("job_"):
        return ServiceProblem("job_unknown", 404, f"'from_job' names no job of yours: {gone.name}")
    return ServiceProblem("media_unknown", 404, f"no upload has the id {gone.name}: POST /v1/uploads first")


def _list_media(state: State, tenant: str, request: JobRequest) -> set[str]:
    """The uploads and artefacts that a job reads: its own, and those of the job that it continues."""
    media = set(list_uploads(request))
    source = getattr(request, "from_job", None)
    row = None if source is None else jobs.get(state.db, tenant, source)
    if row is not None and row.manifest_sha256 is not None:
        # a job that continues a lost result fails and says why
        with suppress(ArtefactMissing):
            media.update(state.results.get_manifest(row.manifest_sha256).provenance.sources)
    return media
