"""The ledger on SQLite and on Postgres: a job is claimed once, ends once, and is never lost."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from storage.ledger import Database, JobRow, Submission, fleet, jobs, keys, leases, reaper
from storage.ledger.leases import HeartbeatReply
from storage.ledger.tables import metadata

LEASE = 30.0
REAP = {"max_attempts": 3, "cancel_grace": 5.0, "queue_seconds": 3600.0}


def submission(key: str | None = None, body: str = "{}", timeout: int = 60) -> Submission:
    return Submission("acme", "segment", "auto", "default", body, f"hash of {body}", timeout, key)


def submit_job(db: Database, **kw: object) -> str:
    return jobs.submit(db, submission(**kw))[0].id  # type: ignore[arg-type]


def claim(db: Database, job_id: str, worker: str = "w1", lease: float = LEASE) -> JobRow:
    job = leases.claim(db, job_id, worker, lease)
    assert job is not None
    return job


def state(db: Database, job_id: str) -> str:
    job = jobs.get(db, "acme", job_id)
    assert job is not None
    return job.state


def test_migrations_make_exactly_the_tables_of_the_code(db: Database) -> None:
    with db.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_twenty_workers_claim_a_job_once(db: Database) -> None:
    job_id = submit_job(db)
    barrier = threading.Barrier(20)

    def race(number: int) -> JobRow | None:
        barrier.wait()
        return leases.claim(db, job_id, f"w{number}", LEASE)

    with ThreadPoolExecutor(20) as pool:
        winners = [job for job in pool.map(race, range(20)) if job is not None]
    assert len(winners) == 1
    assert winners[0].attempt == 1


def test_the_same_key_and_body_is_the_same_job(db: Database) -> None:
    first, is_new = jobs.submit(db, submission("k"))
    again, is_new_again = jobs.submit(db, submission("k"))
    assert (first.id, is_new, is_new_again) == (again.id, True, False)
    assert first == again
    with pytest.raises(jobs.IdempotencyConflict):
        jobs.submit(db, submission("k", body='{"other": 1}'))


def test_a_race_of_one_idempotency_key_makes_one_job(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: jobs.submit(db, submission("same"))[0].id, range(16)))
    assert len(ids) == 1


def test_a_key_can_be_free_again_once_its_job_has_ended(db: Database) -> None:
    def submit(body: str = "{}") -> str:
        return jobs.submit(db, submission("k", body=body), frees_key=True)[0].id

    first = submit()
    assert submit() == first
    leases.fail(db, claim(db, first), {"code": "x"})
    second = submit('{"other": 1}')
    assert second != first and submit('{"other": 1}') == second
    claim(db, second)
    jobs.cancel(db, "acme", second)
    # it still runs, but it was asked to stop
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: submit(), range(16)))
    assert len(ids) == 1 and not ids & {first, second}


def test_jobs_of_another_tenant_do_not_exist(db: Database) -> None:
    job_id = submit_job(db)
    assert jobs.get(db, "other", job_id) is None
    assert not jobs.cancel(db, "other", job_id)
    assert jobs.list_page(db, "other", kind=None, state=None, before=None, limit=10) == []
    assert state(db, job_id) == "queued"


def test_a_worker_that_lost_its_lease_changes_nothing(db: Database) -> None:
    job_id = submit_job(db)
    slow = claim(db, job_id, "slow", lease=-1)
    assert reaper.reap(db, **REAP).requeued == (job_id,)
    fast = claim(db, job_id, "fast")
    assert leases.heartbeat(db, slow, LEASE) is HeartbeatReply.LOST
    assert not leases.succeed(db, slow, "0" * 64)
    assert not leases.checkpoint(db, slow, {"frame": 1})
    assert leases.succeed(db, fast, "f" * 64)
    job = jobs.get(db, "acme", job_id)
    assert job is not None and job.manifest_sha256 == "f" * 64 and job.attempt == 2


def test_a_job_whose_workers_all_die_ends_as_attempts_exhausted(db: Database) -> None:
    job_id = submit_job(db)
    for _ in range(3):
        claim(db, job_id, lease=-1)
        reaper.reap(db, **REAP)
    job = jobs.get(db, "acme", job_id)
    assert job is not None and job.state == "failed"
    assert job.problem is not None and job.problem["code"] == "attempts_exhausted"


def test_handing_a_job_back_costs_no_attempt(db: Database) -> None:
    job_id = submit_job(db)
    for _ in range(5):
        assert leases.hand_back(db, claim(db, job_id))
    claim(db, job_id, lease=-1)
    reaper.reap(db, **REAP)
    assert state(db, job_id) == "queued"


def test_a_lost_job_over_its_deadline_fails_as_timed_out(db: Database) -> None:
    job_id = submit_job(db, timeout=-1)
    claim(db, job_id, lease=-1)
    reaper.reap(db, **REAP)
    ended = jobs.get(db, "acme", job_id)
    assert ended is not None and ended.problem is not None and ended.problem["code"] == "timed_out"


def test_cancel_ends_a_queued_job_and_asks_a_running_one(db: Database) -> None:
    waiting, running = submit_job(db), submit_job(db)
    job = claim(db, running)
    assert jobs.cancel(db, "acme", waiting) and jobs.cancel(db, "acme", running)
    assert state(db, waiting) == "cancelled"
    assert state(db, running) == "running"
    assert leases.heartbeat(db, job, LEASE) is HeartbeatReply.CANCEL
    assert leases.end_cancelled(db, job)
    assert state(db, running) == "cancelled"


def test_a_running_job_that_ignores_cancel_is_ended_and_its_process_named(db: Database) -> None:
    job_id = submit_job(db)
    job = leases.claim(db, job_id, "w1", LEASE, "message-1")
    assert job is not None
    jobs.cancel(db, "acme", job_id)
    swept = reaper.reap(db, max_attempts=3, cancel_grace=-1, queue_seconds=3600)
    assert swept.to_kill == ("message-1",)
    assert not leases.succeed(db, job, "0" * 64)
    assert state(db, job_id) == "cancelled"


def test_cancelling_a_finished_job_leaves_it_as_it_is(db: Database) -> None:
    job_id = submit_job(db)
    leases.succeed(db, claim(db, job_id), "a" * 64)
    assert jobs.cancel(db, "acme", job_id)
    assert state(db, job_id) == "succeeded"


def test_a_job_nobody_ever_took_expires(db: Database) -> None:
    job_id = submit_job(db)
    time.sleep(0.01)
    reaper.reap(db, max_attempts=3, cancel_grace=5, queue_seconds=0)
    assert state(db, job_id) == "expired"


def test_unannounced_jobs_are_listed_once(db: Database) -> None:
    job_id = submit_job(db)
    assert [row[0] for row in reaper.list_undispatched(db, -1, 10)] == [job_id]
    assert reaper.list_undispatched(db, 60, 10) == []
    jobs.mark_dispatched(db, [job_id])
    assert reaper.list_undispatched(db, -1, 10) == []
    assert [row[0] for row in reaper.list_waiting(db, -1, "default", 10)] == [job_id]
    leases.hand_back(db, claim(db, job_id))
    assert [row[0] for row in reaper.list_undispatched(db, -1, 10)] == [job_id]


def test_history_lists_every_step_in_order_and_resumes(db: Database) -> None:
    job_id = submit_job(db)
    job = claim(db, job_id)
    leases.heartbeat(db, job, LEASE, {"stage": "lift", "done": 1, "total": 2})
    leases.succeed(db, job, "a" * 64)
    events = jobs.list_events(db, job_id, 0)
    assert [(e["type"], e["data"].get("state")) for e in events] == [
        ("state", "queued"),
        ("state", "running"),
        ("progress", None),
        ("state", "succeeded"),
    ]
    assert [e["seq"] for e in jobs.list_events(db, job_id, events[1]["seq"])] == [
        e["seq"] for e in events[2:]
    ]


def test_pages_are_newest_first_and_filtered(db: Database) -> None:
    ids = [submit_job(db) for _ in range(5)]
    claim(db, ids[2])
    first = jobs.list_page(db, "acme", kind=None, state=None, before=None, limit=3)
    rest = jobs.list_page(db, "acme", kind=None, state=None, before=first[-1].id, limit=3)
    assert [row.id for row in first + rest] == sorted(ids, reverse=True)
    running = jobs.list_page(db, "acme", kind="segment", state="running", before=None, limit=9)
    assert [row.id for row in running] == [ids[2]]


def test_a_draining_worker_is_asked_to_hand_its_job_back(db: Database) -> None:
    fleet.announce(db, "w1", "default", [{"name": "default"}])
    job = claim(db, submit_job(db))
    assert leases.heartbeat(db, job, LEASE) is HeartbeatReply.CONTINUE
    fleet.drain(db, "w1")
    assert leases.heartbeat(db, job, LEASE) is HeartbeatReply.HAND_BACK
    fleet.leave(db, "w1")
    assert fleet.list_alive(db, 60) == []


def test_keys_open_until_they_are_revoked_and_only_their_hash_is_stored(db: Database) -> None:
    secret = keys.create(db, "acme", "robot")
    key = keys.find(db, secret)
    assert key is not None and key.tenant == "acme"
    with db.read() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM api_keys").all())
    assert secret not in stored
    assert keys.revoke(db, key.id)
    assert keys.find(db, secret) is None
