"""Which jobs may share the engine of a process, and the image that each is about."""

import json
from typing import Any

from storage.ledger import Database, JobRow, jobs
from workers.engines.protocols import BatchedBodyEngine
from workers.engines.registry import EngineSet

# kinds of job that share the engine; of the second only jobs about an image, where the engine batches people
SEGMENT, BODIES = "segment", "bodies"


def may_share(db: Database, job: JobRow, engines: EngineSet) -> bool:
    """Whether a job may run beside others; every other job has the process for itself.

    So has one whose earlier attempt was lost: if it takes the process down again, it costs no other. A
    segment job of many images fills the engine's batches itself, and takes their memory.
    """
    if job.attempt - job.handed_back > 1:
        return False
    if job.kind == SEGMENT:
        return not json.loads(job.request).get("images")
    if job.kind != BODIES or not isinstance(engines.loaded.get("bodies"), BatchedBodyEngine):
        return False
    request = json.loads(job.request)
    return request.get("image") is not None or _find_segment_job(db, job, request) is not None


def find_image(db: Database, job: JobRow) -> str | None:
    """The sha256 of the stored image that a job is about; None for an address, and where it is not known."""
    if job.subject is not None or job.kind != BODIES:
        return job.subject
    request = json.loads(job.request)
    if request.get("image") is not None:
        sha256: str | None = request["image"].get("id")
        return sha256
    earlier = _find_segment_job(db, job, request)
    return None if earlier is None else earlier.subject


def _find_segment_job(db: Database, job: JobRow, request: dict[str, Any]) -> JobRow | None:
    """The segment job whose masks a bodies job reads: it is about an image."""
    if request.get("from_job") is None:
        return None
    earlier = jobs.get(db, job.tenant, str(request["from_job"]))
    return earlier if earlier is not None and earlier.kind == SEGMENT else None
