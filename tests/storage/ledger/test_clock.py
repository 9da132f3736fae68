"""Odd clocks and odd hours: jumps, long queues, restarts; the ledger's time is replayed by the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import Connection

from service.dispatch.reaper_thread import Reaper
from service.settings import ServiceSettings
from storage.artefacts.local import LocalStore
from storage.collection import Collector
from storage.ledger import (
    Database,
    JobRow,
    Submission,
    blobs,
    clock,
    deletion,
    files,
    jobs,
    leases,
    reaper,
    retention,
)
from storage.ledger.leases import HeartbeatReply
from storage.ledger.retention import Retention

DAY = 86_400.0


class FakeTime:
    """Clocks that stand until they are moved; random tokens that count."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.steady = 100.0
        self.tokens = 0

    def now_ns(self) -> int:
        self.wall += 1e-6
        return int(self.wall * 1e9)

    def monotonic(self) -> float:
        return self.steady

    def token(self, bytes_: int) -> str:
        self.tokens += 1
        return f"{self.tokens:0{2 * bytes_}x}"

    def pass_by(self, seconds: float) -> None:
        """Real time: both clocks go on."""
        self.wall += seconds
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall += seconds


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def db(tmp_path: Path, time: FakeTime) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}", time=time)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def sweeper(db: Database) -> Iterator[Reaper]:
    """The reaper of one gateway, driven by the test, with a queue that is away."""
    running = make_sweeper(db)
    yield running
    running._queue.close()


def make_sweeper(db: Database) -> Reaper:
    class Queue:
        def llen(self, _: str) -> int:
            return 0

        def close(self) -> None:
            pass

    created = Reaper(db, Celery(), ServiceSettings(broker_url="redis://127.0.0.1:1/0"))
    created._queue = Queue()  # type: ignore[assignment]
    created._publish = lambda waiting: None  # type: ignore[method-assign]
    return created


def submit(db: Database, tenant: str = "a", timeout: int = 600) -> JobRow:
    submission = Submission(tenant, "segment", "default", "default", "{}", "hash", timeout)
    return jobs.submit(db, submission)[0]


def state_of_job(db: Database, job: JobRow) -> str:
    row = jobs.get(db, job.tenant, job.id)
    assert row is not None
    return row.state


def claim(db: Database, job: JobRow) -> JobRow:
    held = leases.claim(db, job.id, "worker", 15.0)
    assert held is not None
    return held


@pytest.mark.parametrize("jump", [7200.0, -7200.0, 40.0, -40.0])
def test_a_jump_ends_no_running_job(db: Database, time: FakeTime, sweeper: Reaper, jump: float) -> None:
    held = claim(db, submit(db))
    sweeper.reap()
    time.pass_by(1)
    time.jump(jump)
    sweeper.reap()
    assert state_of_job(db, held) == "running"
    assert leases.heartbeat(db, held, 15.0) is HeartbeatReply.CONTINUE
    # the lease goes on by real time: a worker that died is noticed as soon as without the jump
    time.pass_by(14)
    sweeper.reap()
    assert state_of_job(db, held) == "running"
    time.pass_by(2)
    sweeper.reap()
    assert state_of_job(db, held) == "queued"


def test_a_backward_jump_hides_no_waiting_job(db: Database, time: FakeTime, sweeper: Reaper) -> None:
    job = submit(db)
    jobs.mark_dispatched(db, [job.id])
    sweeper.reap()
    time.jump(-7200)
    sweeper.reap()
    time.pass_by(6)
    assert [item[0] for item in reaper.list_waiting(db, 5.0, "default", 10)] == [job.id]


def test_a_slow_answer_is_no_jump(db: Database, time: FakeTime, sweeper: Reaper) -> None:
    """The clock is read at once, and the answer arrives ten seconds later."""
    held = claim(db, submit(db))
    sweeper.reap()
    original = clock.read_clock

    def answer_late(connection: Connection) -> tuple[float, int]:
        reading = original(connection)
        time.pass_by(10)
        return reading

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock, "read_clock", answer_late)
        sweeper.reap()
    row = jobs.get(db, held.tenant, held.id)
    assert row is not None and row.lease_until == held.lease_until
    time.pass_by(6)
    sweeper.reap()
    assert state_of_job(db, held) == "queued"


def test_several_gateways_absorb_a_jump_once(db: Database, time: FakeTime) -> None:
    sweepers = [make_sweeper(db) for _ in range(3)]
    held = claim(db, submit(db))
    for sweeper in sweepers:
        sweeper.reap()
    time.jump(3600)
    for sweeper in sweepers:
        sweeper.reap()
    assert state_of_job(db, held) == "running"
    time.pass_by(16)
    for sweeper in sweepers:
        sweeper.reap()
    assert state_of_job(db, held) == "queued"


def test_a_gateway_that_was_down_sees_no_jump(db: Database, time: FakeTime) -> None:
    held = claim(db, submit(db))
    time.pass_by(100)
    make_sweeper(db).reap()
    assert state_of_job(db, held) == "queued"


def test_only_jobs_that_never_ran_expire(db: Database, time: FakeTime, sweeper: Reaper) -> None:
    never, handed_back, lost = submit(db), submit(db), submit(db)
    leases.hand_back(db, claim(db, handed_back))
    claim(db, lost)
    sweeper.reap()
    time.pass_by(8 * DAY)
    sweeper.reap()
    assert state_of_job(db, never) == "expired"
    assert state_of_job(db, handed_back) == "queued"
    assert state_of_job(db, lost) in ("queued", "failed")


def test_ids_come_from_the_ledgers_time(db: Database, time: FakeTime) -> None:
    first, second = submit(db), submit(db)
    assert first.id < second.id
    assert int(first.id[4:20], 16) == pytest.approx(1_700_000_000e9, rel=1e-9)


def test_a_clock_that_is_set_forward_makes_nothing_old(
    db: Database, time: FakeTime, sweeper: Reaper, tmp_path: Path
) -> None:
    """Somebody sets the year: nothing is deleted, and what was deleted before keeps its grace time."""
    store = LocalStore(tmp_path / "store")
    kept, deleted = (store.put(data, lambda *known: blobs.reserve(db, *known)) for data in (b"kept", b"gone"))
    for sha256 in (kept, deleted):
        files.add_media(db, "a", sha256, {"bytes": 4})
    ended = claim(db, submit(db))
    assert leases.fail(db, ended, {"code": "x"})
    sweeper.reap()
    assert deletion.delete_upload(db, "a", deleted)
    collector = Collector(db, store, Retention(), grace_seconds=3600)
    time.pass_by(1)
    time.jump(400 * DAY)
    sweeper.reap()
    assert collector.collect().files == 0
    assert files.find_media(db, "a", kept) is not None and jobs.get(db, "a", ended.id) is not None
    time.pass_by(2 * 3600)
    assert collector.collect().files == 1 and not store.has(deleted)
    # the clock is set back, and time passes
    time.jump(-400 * DAY)
    sweeper.reap()
    time.pass_by(31 * DAY)
    assert collector.collect().uploads == 1


def test_a_clock_that_is_set_back_does_not_stop_collection(
    db: Database, time: FakeTime, sweeper: Reaper
) -> None:
    assert retention.take_turn(db, 300)
    sweeper.reap()
    time.pass_by(1)
    time.jump(-7200)
    sweeper.reap()
    assert not retention.take_turn(db, 300)
    time.pass_by(300)
    assert retention.take_turn(db, 300)
