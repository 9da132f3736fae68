"""Each tenant gets its turn, on SQLite and Postgres."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.ledger import Database, JobRow, Submission, fairness, jobs, leases

LEASE = 60.0


def submit(db: Database, tenant: str, count: int = 1, queue: str = "default") -> list[str]:
    submission = Submission(tenant, "segment", "default", queue, "{}", "hash", 600)
    return [jobs.submit(db, submission)[0].id for _ in range(count)]


def claim_next(db: Database) -> JobRow | None:
    return fairness.claim_next(db, "default", "worker", LEASE)


def finish(db: Database, job: JobRow) -> None:
    leases.fail(db, job, {"code": "x"})


@pytest.mark.slow
def test_one_job_of_another_tenant_goes_before_the_rest(db: Database) -> None:
    many = submit(db, "many", 30)
    first = claim_next(db)
    assert first is not None and first.id == many[0]
    [one] = submit(db, "one")
    finish(db, first)
    second = claim_next(db)
    assert second is not None and second.id == one


def test_tenants_take_turns_with_one_worker(db: Database) -> None:
    submit(db, "a", 4)
    submit(db, "b", 2)
    submit(db, "c", 1)
    order = []
    while (job := claim_next(db)) is not None:
        order.append(job.tenant)
        finish(db, job)
    assert order[:3] == ["a", "b", "c"]
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


def test_fewest_running_jobs_come_first(db: Database) -> None:
    submit(db, "a", 3)
    submit(db, "b", 3)
    tenants = [job.tenant for _ in range(4) if (job := claim_next(db)) is not None]
    assert sorted(tenants) == ["a", "a", "b", "b"]


def test_a_tenants_jobs_keep_their_order(db: Database) -> None:
    ids = submit(db, "a", 5)
    taken = []
    while (job := claim_next(db)) is not None:
        taken.append(job.id)
    assert taken == ids


def test_other_queues_are_left_alone(db: Database) -> None:
    submit(db, "a", queue="sam3")
    assert claim_next(db) is None


def test_many_workers_claim_each_job_once(db: Database) -> None:
    ids = submit(db, "a", 10) + submit(db, "b", 10)
    with ThreadPoolExecutor(8) as pool:
        claimed = [job for job in pool.map(lambda _: claim_next(db), range(40)) if job is not None]
    rest = []
    while (job := claim_next(db)) is not None:
        rest.append(job)
    assert sorted(job.id for job in [*claimed, *rest]) == sorted(ids)


def test_other_tenants_that_wait_are_noticed(db: Database) -> None:
    submit(db, "a")
    assert not fairness.has_other_tenants(db, "default", "a")
    submit(db, "b")
    assert fairness.has_other_tenants(db, "default", "a")
