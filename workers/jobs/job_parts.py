"""The parts of a job, as the job and each of its parts see them."""

from storage.ledger import Database, JobRow, PartRow, WorkerRow, WorkerSeconds, fleet, leases, parts
from workers.errors import Stopped


class JobParts:
    """Reads the ledger about one job, or about the job that it is a part of."""

    def __init__(self, db: Database, job: JobRow) -> None:
        self._db, self._job = db, job

    def list_outcomes(self, kind: str) -> dict[str, PartRow]:
        """The parts of this job that have ended, by their keys."""
        return parts.list_outcomes(self._db, self._job.id, kind)

    def load_parent(self) -> JobRow:
        """The job that this one is a part of; raises Stopped when it has ended."""
        row = parts.find_parent(self._db, self._job)
        if row is None:
            raise Stopped(leases.HeartbeatReply.LOST)
        return row

    def worker_seconds(self) -> WorkerSeconds:
        """The worker seconds that the parts of the parent job have used so far."""
        return parts.worker_seconds(self._db, str(self._job.parent))

    def list_queues(self) -> set[str]:
        """The queues that have workers."""
        return {row.queue for row in fleet.list_alive(self._db, parts.SEEN_SECONDS)}

    def list_workers(self, kind: str) -> list[WorkerRow]:
        """Connected workers that have an engine of a kind."""
        workers = fleet.list_alive(self._db, parts.SEEN_SECONDS)
        return [row for row in workers if any(e["kind"] == kind and e["available"] for e in row.engines)]
