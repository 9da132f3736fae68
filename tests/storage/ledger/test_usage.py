"""Quotas under concurrency, on SQLite and on Postgres: never exceeded, and never leaked."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from storage.ledger import Database, JobRow, Submission, blobs, deletion, files, jobs, leases, usage
from storage.ledger.usage import LimitReached

JOB = Submission("acme", "segment", "auto", "default", "{}", "h", 60)


def hash_number(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def begin(db: Database) -> JobRow:
    row, _ = jobs.submit(db, JOB)
    held = leases.claim(db, row.id, "w", 30)
    assert held is not None
    return held


def stored(db: Database) -> int:
    return usage.get_usage(db, "acme").stored_bytes


def test_many_uploads_at_once_stay_below_the_quota(db: Database) -> None:
    def upload(number: int) -> bool:
        try:
            files.add_media(db, "acme", hash_number(number), {"bytes": 10}, max_bytes=55)
        except LimitReached:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(upload, range(12)))
    assert sum(taken) == 5 and stored(db) == 50


def test_a_file_counts_once_however_many_add_and_drop_it_at_once(db: Database) -> None:
    held = [begin(db) for _ in range(6)]

    def make(job: JobRow) -> None:
        for number in range(4):
            assert blobs.claim(db, job, blobs.SCRATCH, hash_number(number), 10)

    def delete(job: JobRow) -> None:
        assert leases.fail(db, job, {"code": "x"})
        assert deletion.delete_job(db, "acme", job.id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, held))
        assert stored(db) == 40
        list(pool.map(delete, held[1:]))
        assert stored(db) == 40
        delete(held[0])
    assert stored(db) == 0


def test_a_job_that_stores_too_much_is_told_and_what_it_has_stays(db: Database) -> None:
    job = begin(db)
    assert blobs.claim(db, job, blobs.SCRATCH, hash_number(1), 10, max_bytes=15)
    try:
        blobs.claim(db, job, blobs.SCRATCH, hash_number(2), 10, max_bytes=15)
    except LimitReached as reached:
        assert reached.name == "stored_bytes"
    assert stored(db) == 10
    # what is there already adds nothing, even if the quota was lowered
    assert blobs.claim(db, job, blobs.RESULT, hash_number(1), 10, "a/b", max_bytes=5)


def test_jobs_that_are_queued_and_claimed_at_once_stay_below_their_limits(db: Database) -> None:
    def submit(_: int) -> str | None:
        try:
            return jobs.submit(db, JOB, max_queued=5)[0].id
        except LimitReached:
            return None

    with ThreadPoolExecutor(8) as pool:
        ids = [job_id for job_id in pool.map(submit, range(12)) if job_id is not None]
        assert len(ids) == 5
        claimed = list(pool.map(lambda job_id: leases.claim(db, job_id, "w", 30, max_running=2), ids))
    assert sum(row is not None for row in claimed) == 2
    known = usage.get_usage(db, "acme")
    assert (known.queued_jobs, known.running_jobs) == (3, 2)


def test_a_wrong_count_is_counted_anew(db: Database) -> None:
    files.add_media(db, "acme", hash_number(1), {"bytes": 10})
    with db.write() as connection:
        usage.count_bytes(connection, "acme", [hash_number(1)], 1)
    assert stored(db) == 20
    usage.recount(db)
    assert stored(db) == 10
