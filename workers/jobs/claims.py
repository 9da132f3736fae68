"""Claims of files that a job is about to store."""

from storage.ledger import Database, JobRow, blobs, usage
from storage.ledger.leases import HeartbeatReply
from workers.errors import JobProblem, Stopped


def claim_file(
    db: Database,
    job: JobRow,
    role: str,
    sha256: str,
    size: int,
    media_type: str | None = None,
    *,
    default: float,
) -> None:
    """Refer to a file that a job is about to store; `default` is the quota of tenants without their own.

    Raises Stopped once the job has ended, JobProblem `storage_quota_exceeded` when the tenant would have more
    bytes than it may.
    """
    limits = usage.choose_limits(db, job.tenant, usage.Limits(stored_bytes=default))
    try:
        held = blobs.claim(db, job, role, sha256, size, media_type, max_bytes=limits.stored_bytes)
    except usage.LimitReached as reached:
        detail = f"the tenant may store {reached.limit:,.0f} bytes: delete jobs or uploads, and run it again"
        raise JobProblem("storage_quota_exceeded", detail, 413) from reached
    if not held:
        raise Stopped(HeartbeatReply.LOST)
