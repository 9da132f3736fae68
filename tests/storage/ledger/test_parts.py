"""Parts of a job on SQLite and on Postgres: many share them, each is done once, the job wakes once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from storage.ledger import (
    Database,
    JobRow,
    Part,
    Submission,
    WorkerSeconds,
    fleet,
    jobs,
    leases,
    parts,
    reaper,
)
from storage.ledger.leases import HeartbeatReply
from storage.ledger.tables import jobs as table

REAP = {"max_attempts": 3, "cancel_grace": 5.0, "queue_seconds": 3600.0}
KIND, LEASE = "dataset.clips", 30.0


def make_parts(count: int, queue: str = "default", first: int = 0) -> list[Part]:
    return [
        Part(KIND, f"key {number}", queue, f'{{"n": {number}}}') for number in range(first, first + count)
    ]


def submit(db: Database) -> str:
    return jobs.submit(db, Submission("acme", "dataset", "auto", "default", "{}", "h", 60))[0].id


def claim(db: Database, job_id: str, worker: str = "w", lease: float = LEASE) -> JobRow:
    row = leases.claim(db, job_id, worker, lease)
    assert row is not None
    return row


def park(db: Database, count: int = 3) -> str:
    job = claim(db, submit(db))
    assert leases.park(db, job, make_parts(count))
    return job.id


def list_queued(db: Database, job_id: str) -> list[str]:
    return [item[0] for item in parts.list_unannounced(db, job_id)]


def complete(db: Database, row: JobRow, seconds: float = 1.0) -> bool:
    return leases.complete(db, row, "a" * 64, WorkerSeconds(seconds, 0.0), [{"name": row.part}])


def state(db: Database, job_id: str) -> str:
    row = jobs.get(db, "acme", job_id)
    assert row is not None
    return row.state


def test_the_last_part_wakes_the_job_and_its_attempt_does_not_count(db: Database) -> None:
    job_id = park(db, 3)
    assert state(db, job_id) == "running"
    completed = 0
    while list_queued(db, job_id) != [job_id]:
        for part in list_queued(db, job_id):
            assert part != job_id, "the job was woken before its parts were done"
            assert complete(db, claim(db, part))
            completed += 1
    assert completed == 3
    actual = parts.list_outcomes(db, job_id, KIND)
    assert {row.key for row in actual.values()} == {"key 0", "key 1", "key 2"}
    assert {row.output for row in actual.values()} == {"a" * 64}
    assert parts.worker_seconds(db, job_id) == WorkerSeconds(3.0, 0.0)
    again = claim(db, job_id)
    assert again.attempt == 2
    assert leases.succeed(db, again, "b" * 64)
    # nothing of the parts is left behind
    assert parts.list_outcomes(db, job_id, KIND) == {}
    events = jobs.list_events(db, job_id, 0)
    progress = [event["data"]["done"] for event in events if event["type"] == "progress"]
    assert progress == [0, 1, 2, 3]
    assert sum(event["type"] == "artefact" for event in events) == 3


def test_known_parts_are_not_repeated(db: Database) -> None:
    job = claim(db, submit(db))
    assert leases.park(db, job, make_parts(2))
    for part in list_queued(db, job.id):
        complete(db, claim(db, part))
    assert leases.park(db, claim(db, job.id), make_parts(3))
    [left] = list_queued(db, job.id)
    assert claim(db, left).part == "key 2"


def test_parking_on_parts_that_are_done_wakes_at_once(db: Database) -> None:
    job = claim(db, submit(db))
    assert leases.park(db, job, make_parts(1))
    complete(db, claim(db, list_queued(db, job.id)[0]))
    assert leases.park(db, claim(db, job.id), make_parts(1))
    assert list_queued(db, job.id) == [job.id]


def test_only_a_few_parts_for_each_worker_are_queued(db: Database) -> None:
    job_id = park(db, 9)
    assert len(list_queued(db, job_id)) == 2
    fleet.announce(db, "w1", "default", [])
    fleet.announce(db, "w2", "default", [])
    fleet.announce(db, "other", "gpu", [])
    complete(db, claim(db, list_queued(db, job_id)[0]))
    # two for each of two workers, of which one was queued before
    assert len(list_queued(db, job_id)) == 4
    claim(db, list_queued(db, job_id)[0])
    assert len(list_queued(db, job_id)) == 3


def test_a_message_that_comes_twice_finds_nothing_to_do(db: Database) -> None:
    job_id = park(db, 1)
    [part] = list_queued(db, job_id)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda n: leases.claim(db, part, f"w{n}", LEASE), range(8)))
    [row] = [row for row in rows if row is not None]
    assert complete(db, row)
    assert not complete(db, row)
    assert leases.claim(db, part, "late", LEASE) is None


def test_of_two_committers_the_one_that_holds_the_lease_wins(db: Database) -> None:
    job_id = park(db, 1)
    [part] = list_queued(db, job_id)
    slow = claim(db, part, "slow", lease=-1)
    assert reaper.reap(db, **REAP).requeued == (part,)
    fast = claim(db, part, "fast")
    assert not leases.complete(db, slow, "0" * 64, WorkerSeconds(), [])
    assert list_queued(db, job_id) == []
    assert leases.complete(db, fast, "f" * 64, WorkerSeconds(), [])
    assert [row.output for row in parts.list_outcomes(db, job_id, KIND).values()] == ["f" * 64]


def test_parts_that_end_at_the_same_moment_wake_the_job_once(db: Database) -> None:
    fleet.announce(db, "w", "default", [])
    for name in "abc":
        fleet.announce(db, name, "default", [])
    job_id = park(db, 8)
    rows = [claim(db, part, f"w{n}") for n, part in enumerate(list_queued(db, job_id))]
    assert len(rows) == 8
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda row: complete(db, row), rows))
    assert list_queued(db, job_id) == [job_id]


def exhaust_attempts(db: Database, part: str) -> None:
    while part not in reaper.reap(db, **REAP).ended:
        claim(db, part, lease=-1)


def test_a_part_that_lost_every_worker_lets_the_others_go_on(db: Database) -> None:
    job_id = park(db, 5)
    first, other = list_queued(db, job_id)
    last = claim(db, other)
    exhaust_attempts(db, first)
    [lost] = parts.list_outcomes(db, job_id, KIND).values()
    assert lost.state == parts.LOST and lost.problem is not None
    assert lost.problem["code"] == "attempts_exhausted"
    while list_queued(db, job_id):
        for part in list_queued(db, job_id):
            assert part != job_id, "the job was woken before its other parts were done"
            complete(db, claim(db, part))
    assert complete(db, last)
    assert list_queued(db, job_id) == [job_id]
    events = jobs.list_events(db, job_id, 0)
    progress = [event["data"]["done"] for event in events if event["type"] == "progress"]
    assert progress == [0, 1, 2, 3, 4, 5]
    # what is parked again waits for what is new, and is not woken by what was lost
    assert leases.park(db, claim(db, job_id), make_parts(2, first=4))
    [left] = list_queued(db, job_id)
    assert claim(db, left).part == "key 5"
    events = [event["data"] for event in jobs.list_events(db, job_id, 0) if event["type"] == "progress"]
    assert (events[-1]["done"], events[-1]["total"]) == (5, 6)


def test_a_part_that_is_lost_last_wakes_the_job(db: Database) -> None:
    job_id = park(db, 2)
    first, other = list_queued(db, job_id)
    complete(db, claim(db, other))
    slow = claim(db, first, lease=-1)
    reaper.reap(db, **REAP)
    exhaust_attempts(db, first)
    assert list_queued(db, job_id) == [job_id]
    assert not complete(db, slow)


def test_another_attempt_at_a_part_counts_and_holds_nothing(db: Database) -> None:
    job_id = park(db, 1)
    [part] = list_queued(db, job_id)
    first = claim(db, part)
    assert leases.retry(db, first)
    assert list_queued(db, job_id) == [part]
    again = claim(db, part)
    assert again.attempt - again.handed_back == 2
    assert not leases.retry(db, first) and not complete(db, first)
    assert complete(db, again)


def test_a_part_that_fails_wakes_the_job_to_report_why(db: Database) -> None:
    job_id = park(db, 5)
    first, other = list_queued(db, job_id)
    running = claim(db, other)
    leases.fail(db, claim(db, first), {"code": "worker_differs"})
    [failed] = parts.list_outcomes(db, job_id, KIND).values()
    assert failed.problem is not None and failed.problem["code"] == "worker_differs"
    assert job_id in list_queued(db, job_id)
    assert leases.fail(db, claim(db, job_id), failed.problem)
    # who still works on another part hears that it is over
    assert leases.heartbeat(db, running, LEASE) is HeartbeatReply.LOST
    assert not complete(db, running)


def test_a_parked_job_is_cancelled_at_once_with_its_parts(db: Database) -> None:
    job_id = park(db, 2)
    running = claim(db, list_queued(db, job_id)[0])
    assert jobs.cancel(db, "acme", job_id)
    assert state(db, job_id) == "cancelled"
    assert list_queued(db, job_id) == []
    assert leases.heartbeat(db, running, LEASE) is HeartbeatReply.LOST
    assert parts.find_parent(db, running) is None


def test_a_parked_job_has_one_deadline_from_its_first_claim(db: Database) -> None:
    job_id = park(db, 2)
    before = jobs.get(db, "acme", job_id)
    assert before is not None and before.deadline_at is not None
    for part in list_queued(db, job_id):
        complete(db, claim(db, part))
    again = claim(db, job_id)
    assert again.deadline_at == before.deadline_at
    assert leases.park(db, again, make_parts(1, first=7))
    with db.write() as connection:
        connection.execute(update(table).where(table.c.id == job_id).values(deadline_at=1))
    assert reaper.reap(db, **REAP).ended == (job_id,)
    ended = jobs.get(db, "acme", job_id)
    assert ended is not None and ended.problem is not None and ended.problem["code"] == "timed_out"


def test_parts_are_no_jobs_of_their_own(db: Database) -> None:
    job_id = park(db, 2)
    part = list_queued(db, job_id)[0]
    assert jobs.get(db, "acme", part) is None
    assert not jobs.cancel(db, "acme", part)
    assert [row.id for row in jobs.list_page(db, "acme", kind=None, state=None, before=None, limit=9)] == [
        job_id
    ]
    # a job that waits for its parts needs no worker, its parts do
    assert jobs.count_by_state(db) == {("default", "queued"): 2}


def make_funnel(given: int, kept: int) -> list[dict[str, object]]:
    return [{"stage": "area", "unit": "tracks", "given": given, "kept": kept}]


def list_funnels(db: Database, job_id: str) -> list[list[dict[str, object]]]:
    events = jobs.list_events(db, job_id, 0)
    return [event["data"]["funnel"] for event in events if "funnel" in event["data"]]


def test_what_parts_kept_adds_up_beside_what_was_known_before(db: Database) -> None:
    job = claim(db, submit(db))
    planned = {"stage": "motion", "unit": "clips", "given": 9, "kept": 2}
    assert leases.park(db, job, make_parts(2), [planned])
    for part, counts in zip(list_queued(db, job.id), ((5, 3), (2, 2)), strict=True):
        row = claim(db, part)
        assert leases.complete(db, row, "a" * 64, WorkerSeconds(1.0), [], (), make_funnel(*counts))
    assert list_funnels(db, job.id) == [
        [planned],
        [planned, *make_funnel(5, 3)],
        [planned, *make_funnel(7, 5)],
    ]


def test_the_history_of_a_job_of_many_parts_has_few_funnels(db: Database) -> None:
    job = claim(db, submit(db))
    assert leases.park(db, job, make_parts(12))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parts, "MOST_FUNNELS", 3)
        for _ in range(12):
            row = claim(db, list_queued(db, job.id)[0])
            assert leases.complete(db, row, "a" * 64, WorkerSeconds(1.0), [], (), make_funnel(2, 1))
    funnels = list_funnels(db, job.id)
    assert funnels == [make_funnel(2 * count, count) for count in (4, 8, 12)]
