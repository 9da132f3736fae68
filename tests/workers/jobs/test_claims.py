"""Files that a job is about to store: over the quota the job fails, and after its end it stores nothing."""

from pathlib import Path
from typing import Any

import pytest

from storage.artefacts.local import LocalStore
from storage.ledger import (
    Database,
    JobRow,
    Part,
    Submission,
    blobs,
    deletion,
    jobs,
    leases,
    parts,
    tenants,
    usage,
)
from workers.errors import JobProblem, Stopped
from workers.jobs.context import JobContext
from workers.settings import WorkerSettings


class Heartbeat:
    """One that never stops a job."""

    def check(self) -> None:
        return


@pytest.fixture
def db(tmp_path: Path) -> Database:
    ledger = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    return ledger


def begin(db: Database, kind: str = "segment") -> JobRow:
    row, _ = jobs.submit(db, Submission("acme", kind, "auto", "default", "{}", "h", 60))
    held = leases.claim(db, row.id, "w", 30)
    assert held is not None
    return held


def make_context(db: Database, job: JobRow, store: LocalStore, **settings: int) -> JobContext:
    anything: Any = None
    beat: Any = Heartbeat()
    return JobContext(job, beat, db, store, anything, anything, WorkerSettings(**settings))


def test_a_job_over_the_quota_fails_with_what_to_do(db: Database, tmp_path: Path) -> None:
    context = make_context(db, begin(db), LocalStore(tmp_path), max_stored_bytes=10)
    context.save("a", "masks", "a/b", b"12345")
    with pytest.raises(JobProblem, match="delete jobs or uploads") as refused:
        context.put(b"678901")
    assert (refused.value.problem.code, refused.value.problem.status) == ("storage_quota_exceeded", 413)
    tenants.change_settings(db, "acme", {"max_stored_bytes": 0})
    context.put(b"678901")


def test_a_part_of_a_deleted_job_stores_nothing_and_leaves_no_reference(db: Database, tmp_path: Path) -> None:
    """Its worker has not noticed yet that the job was cancelled, and that its results were deleted."""
    store = LocalStore(tmp_path / "store")
    job = begin(db, "dataset")
    assert leases.park(db, job, [Part("dataset.clips", "key", "default", "{}")])
    [(part_id, _, _)] = parts.list_unannounced(db, job.id)
    part = leases.claim(db, part_id, "w", 30)
    assert part is not None
    context = make_context(db, part, store)
    made = context.put(b"half of it")
    with pytest.raises(deletion.StillNeeded):
        deletion.delete_job(db, "acme", job.id)
    jobs.cancel(db, "acme", job.id)
    assert deletion.delete_job(db, "acme", job.id)
    for store_more in (lambda: context.put(b"rest"), lambda: context.save("a", "masks", "a/b", b"rest")):
        with pytest.raises(Stopped):
            store_more()
    with db.read() as connection:
        for role in (blobs.SCRATCH, blobs.RESULT, blobs.INPUT):
            assert blobs.list_refs(connection, "acme", job.id, role) == []
    assert usage.get_usage(db, "acme").stored_bytes == 0
    assert [file.sha256 for file in store.list_files("")] == [made]
