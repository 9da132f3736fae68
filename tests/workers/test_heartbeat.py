"""A heartbeat counts a job's time by a clock that does not jump."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from storage.ledger import Database, JobRow, Submission, jobs, leases
from storage.ledger.leases import HeartbeatReply
from workers.errors import Stopped
from workers.heartbeat import Heartbeat
from workers.settings import WorkerSettings


@pytest.fixture
def held(tmp_path: Path) -> tuple[Database, JobRow]:
    db = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    db.migrate()
    submission = Submission("a", "segment", "default", "default", "{}", "hash", 600)
    job = leases.claim(db, jobs.submit(db, submission)[0].id, "worker", 60)
    assert job is not None
    return db, job


def wait_for_stop(heartbeat: Heartbeat, seconds: float) -> HeartbeatReply | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            heartbeat.check()
        except Stopped as stopped:
            return stopped.reply
        time.sleep(0.01)
    return None


def test_a_claim_brings_the_time_that_is_left(held: tuple[Database, JobRow]) -> None:
    _, job = held
    assert job.remaining_seconds == pytest.approx(600, abs=1)


def test_the_deadline_stops_the_work(held: tuple[Database, JobRow]) -> None:
    db, job = held
    settings = WorkerSettings(heartbeat_seconds=0.02, stop_grace_seconds=60)
    with Heartbeat(db, replace(job, remaining_seconds=0.2), settings) as heartbeat:
        assert wait_for_stop(heartbeat, 10) is HeartbeatReply.TIMEOUT


def test_a_deadline_that_the_database_moved_does_not(held: tuple[Database, JobRow]) -> None:
    db, job = held
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET deadline_at = deadline_at - 7200")
    with Heartbeat(db, job, WorkerSettings(heartbeat_seconds=0.02)) as heartbeat:
        assert wait_for_stop(heartbeat, 0.3) is None
