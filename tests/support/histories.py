"""Random histories of uploads, jobs, deletions, crashes and collections, held against a simple model.

Nothing that is reachable is ever removed, and everything else is gone once retention and grace have passed.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select, update

from storage.artefacts import ArtefactStore
from storage.checking import check_store
from storage.collection import Collector
from storage.ledger import (
    Part,
    Submission,
    WorkerSeconds,
    blobs,
    deletion,
    files,
    jobs,
    leases,
    parts,
    reaper,
    sessions,
    usage,
)
from storage.ledger.retention import Retention
from storage.ledger.tables import blob_refs, metadata
from storage.ledger.tables import blobs as table
from tests.support.crashes import Crash, CrashingDatabase, FailingStore, age
from tests.support.history_model import ModelJob, build_manifest

TENANTS = ("acme", "globex")
CONTENTS = [f"content {number}".encode() for number in range(3)]
HASHES = [hashlib.sha256(content).hexdigest() for content in CONTENTS]
HOUR, DAY, GRACE = 3600.0, 86_400.0, 3600.0
KEPT = Retention(uploads=30, results=90, events=30, scratch=1)
tenants, numbers = st.sampled_from(TENANTS), st.integers(0, len(CONTENTS) - 1)


class Histories(RuleBasedStateMachine):
    """A subclass says where the ledger and the store of a new history are."""

    open_world: Callable[[], tuple[CrashingDatabase, CrashingDatabase, ArtefactStore]]

    @initialize()
    def begin(self) -> None:
        self.db, other, self.store = type(self).open_world()
        self.gateways = (self.db, other)
        self.uploads: dict[tuple[str, str], float] = {}
        self.jobs: dict[str, ModelJob] = {}
        self.sessions: dict[str, tuple[str, str]] = {}

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.settle()
            for db in self.gateways:
                db.close()

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        """Do one of the things that are possible now; with a rule for each, most would be rare."""
        possible = [self.upload, self.wait, self.collect]
        if self._open():
            possible += [self.make, self.succeed, self.end_without_result, self.run_part, self.lose_worker]
        if self.uploads:
            possible += [self.submit, self.submit, self.open_session, self.delete_upload]
        if self.jobs:
            possible += [self.delete_job]
        if any(job.made for job in self.jobs.values()):
            possible += [self.delete_artefact, self.restore_a_file]
        if self.sessions:
            possible += [self.close_session]
        data.draw(st.sampled_from(possible))(data)

    # what happens

    def upload(self, data: st.DataObject) -> None:
        tenant, number = data.draw(tenants), data.draw(numbers)
        dies = data.draw(st.sampled_from([None, None, "reserved", "stored"]))
        with suppress(Crash), self.store.writer() as writer:
            writer.write(CONTENTS[number])

            def reserve(sha256: str, size: int) -> None:
                blobs.reserve(self.db, sha256, size)
                if dies == "reserved":
                    raise Crash

            sha256 = writer.commit(reserve)
            if dies == "stored":
                raise Crash
            files.add_media(self.db, tenant, sha256, {"bytes": len(CONTENTS[number])})
            self.uploads[tenant, sha256] = 0.0

    def submit(self, data: st.DataObject) -> None:
        tenant, _ = data.draw(st.sampled_from(sorted(self.uploads)))
        mine = sorted(sha256 for owner, sha256 in self.uploads if owner == tenant)
        done = [job_id for job_id, job in self._jobs_by(tenant) if job.kept]
        reads = data.draw(st.sets(st.sampled_from(mine), min_size=1, max_size=2))
        source = data.draw(st.sampled_from([None, *done]))
        submission = Submission(tenant, "segment", "auto", "default", "{}", "h", 60, from_job=source)
        row, _ = jobs.submit(self.db, submission, media=reads)
        held = leases.claim(self.db, row.id, "w", 600)
        assert held is not None
        self.jobs[row.id] = ModelJob(held, reads, source)
        self.uploads.update({(tenant, sha256): 0.0 for sha256 in reads})

    def make(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self._open()))
        number, dies = data.draw(numbers), data.draw(st.booleans())
        role = data.draw(st.sampled_from([blobs.RESULT, blobs.SCRATCH]))
        with suppress(Crash):
            self._store(job, CONTENTS[number], role, dies=dies)

    def run_part(self, data: st.DataObject) -> None:
        """A part of the job stores something, and the job goes on."""
        job = data.draw(st.sampled_from(self._open()))
        root = job.row
        part = Part("dataset.clips", str(len(job.made)), "default", "{}")
        assert leases.park(self.db, root, [part])
        for part_id, *_ in parts.list_unannounced(self.db, root.id):
            held = leases.claim(self.db, part_id, "w", 600)
            assert held is not None
            if part_id == root.id:
                break
            job.row = held
            output = self._store(job, CONTENTS[data.draw(numbers)], blobs.SCRATCH)
            assert leases.complete(self.db, held, output, WorkerSeconds(), [])
            held = leases.claim(self.db, root.id, "w", 600)
            assert held is not None
        job.row = held

    def lose_worker(self, data: st.DataObject) -> None:
        """The worker of a job dies, and another one takes it over."""
        job = data.draw(st.sampled_from(self._open()))
        with self.db.write() as connection:
            table_of_jobs = metadata.tables["jobs"]
            mine = table_of_jobs.c.id == job.row.id
            connection.execute(update(table_of_jobs).where(mine).values(lease_until=0, deadline_at=9e12))
        assert (
            job.row.id in reaper.reap(self.db, max_attempts=999, cancel_grace=5, queue_seconds=9e9).requeued
        )
        held = leases.claim(self.db, job.row.id, "w", 9e8)
        assert held is not None
        job.row = held

    def succeed(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self._open()))
        named = set()
        for sha256 in data.draw(st.sets(st.sampled_from(HASHES), max_size=2)):
            named.add(self._store(job, CONTENTS[HASHES.index(sha256)], blobs.RESULT))
        manifest = self._store(job, build_manifest(named, job.row.id), blobs.RESULT)
        assert leases.succeed(self.db, job.row, manifest)
        job.is_open, job.age, job.kept = False, 0.0, {manifest, *named}

    def end_without_result(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self._open()))
        if data.draw(st.booleans()):
            jobs.cancel(self.db, job.row.tenant, job.row.id)
            assert leases.end_cancelled(self.db, job.row)
        else:
            assert leases.fail(self.db, job.row, {"code": "x"})
        job.is_open, job.age = False, 0.0
        # a worker that has not noticed yet stores nothing any more
        assert not blobs.claim(self.db, job.row, blobs.SCRATCH, "f" * 64, 1)

    def open_session(self, data: st.DataObject) -> None:
        tenant, sha256 = data.draw(st.sampled_from(sorted(self.uploads)))
        row = sessions.add(self.db, tenant, sha256, 365 * 86_400, {})
        self.sessions[row.id] = (tenant, sha256)
        self.uploads[tenant, sha256] = 0.0

    def close_session(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.sessions)))
        tenant, _ = self.sessions.pop(session)
        assert sessions.close(self.db, tenant, session)

    def delete_job(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        job = self.jobs[job_id]
        other = next(name for name in TENANTS if name != job.row.tenant)
        assert not deletion.delete_job(self.db, other, job_id)
        with self._refused_if(job.is_open or self._is_continued(job_id)):
            self.db.die_in(data.draw(st.integers(0, 2)))
            with suppress(Crash):
                assert deletion.delete_job(self.db, job.row.tenant, job_id)
        self.db.die_in(0)
        # what died after its first transaction is deleted for everybody, and the collector does the rest
        if jobs.get(self.db, job.row.tenant, job_id) is None:
            del self.jobs[job_id]

    def delete_upload(self, data: st.DataObject) -> None:
        tenant, sha256 = data.draw(st.sampled_from(sorted(self.uploads)))
        with self._refused_if(self._is_read(tenant, sha256), maybe=bool(self._open())):
            assert deletion.delete_upload(self.db, tenant, sha256)
            del self.uploads[tenant, sha256]

    def delete_artefact(self, data: st.DataObject) -> None:
        made = sorted({(job.row.tenant, sha256) for job in self.jobs.values() for sha256 in job.made})
        tenant, sha256 = data.draw(st.sampled_from(made))
        needed = any(job.is_open and sha256 in job.shown for _, job in self._jobs_by(tenant))
        continued = any(
            sha256 in job.kept and self._is_continued(job_id) for job_id, job in self._jobs_by(tenant)
        )
        with self._refused_if(needed or continued, maybe=bool(self._open() or self.sessions)):
            if deletion.delete_artefact(self.db, tenant, sha256):
                for _, job in self._jobs_by(tenant):
                    job.kept.discard(sha256)

    def restore_a_file(self, data: st.DataObject) -> None:
        """A file comes back that the ledger knows nothing of."""
        self.store.put(CONTENTS[data.draw(numbers)])
        check_store(self.db, self.store, min_age_seconds=-1, repair=False)

    def wait(self, data: st.DataObject) -> None:
        self._pass(data.draw(st.sampled_from([2 * HOUR, 2 * HOUR, 2 * DAY, 20 * DAY])))

    def _pass(self, seconds: float) -> None:
        age(self.db, seconds)
        self.uploads = {key: old + seconds for key, old in self.uploads.items()}
        for job in self.jobs.values():
            job.age += 0.0 if job.is_open else seconds

    def collect(self, data: st.DataObject) -> None:
        self._collect(*(data.draw(st.integers(0, most)) for most in (1, 3, 8)))

    def _collect(self, gateway: int, dies: int = 0, transactions: int = 0) -> None:
        self.gateways[gateway].die_in(transactions)
        store = FailingStore(self.store)
        store.left = dies
        collector = Collector(self.gateways[gateway], store, KEPT, grace_seconds=GRACE)  # type: ignore[arg-type]
        complete = False
        with suppress(Crash):
            complete = collector.collect().complete
        self.gateways[gateway].die_in(0)
        self._expire(complete)

    def settle(self) -> None:
        """Long after, all that is left is what is reachable."""
        check_store(self.db, self.store, min_age_seconds=-1, repair=True)
        for seconds in (2 * DAY, 2 * HOUR):
            self._pass(seconds)
            self._collect(0)
        left = {file.sha256 for file in self.store.list_files("")}
        # what an open job has asked for and could not store may be there from before
        asked = {sha256 for job in self._open() for sha256 in job.made | self._asked(job)}
        assert self._reachable() <= left <= self._reachable() | asked

    @invariant()
    def everything_reachable_is_there(self) -> None:
        if hasattr(self, "db"):
            assert [sha256 for sha256 in self._reachable() if not self.store.has(sha256)] == []

    @invariant()
    def each_byte_is_counted_once_per_tenant(self) -> None:
        for tenant in TENANTS if hasattr(self, "db") else ():
            with self.db.read() as connection:
                mine = select(blob_refs.c.sha256).where(blob_refs.c.tenant == tenant).distinct()
                size = select(func.coalesce(func.sum(table.c.bytes), 0)).where(table.c.sha256.in_(mine))
                assert usage.read_bytes(connection, tenant) == connection.execute(size).scalar_one()

    # the model

    def _reachable(self) -> set[str]:
        reachable = {sha256 for _, sha256 in self.uploads}
        for job in self.jobs.values():
            reachable |= job.reads | job.made if job.is_open else job.kept
        return reachable

    def _asked(self, job: ModelJob) -> set[str]:
        with self.db.read() as connection:
            roles = (blobs.RESULT, blobs.SCRATCH)
            return {
                sha256
                for role in roles
                for sha256 in blobs.list_refs(connection, job.row.tenant, job.row.id, role)
            }

    def _jobs_by(self, tenant: str) -> list[tuple[str, ModelJob]]:
        return [(job_id, job) for job_id, job in self.jobs.items() if job.row.tenant == tenant]

    def _open(self) -> list[ModelJob]:
        return [job for job in getattr(self, "jobs", {}).values() if job.is_open]

    def _is_continued(self, job_id: str) -> bool:
        return any(job.source == job_id for job in self._open())

    def _is_read(self, tenant: str, sha256: str) -> bool:
        by_job = any(job.is_open and sha256 in job.reads for _, job in self._jobs_by(tenant))
        return by_job or (tenant, sha256) in self.sessions.values()

    def _expire(self, complete: bool) -> None:
        """What retention has taken: it was old, and nothing open needed it; all of it in a complete round."""
        for job_id, job in list(self.jobs.items()):
            old = job.age > KEPT.results * DAY and not self._is_continued(job_id)
            gone = jobs.get(self.db, job.row.tenant, job_id) is None
            assert not gone or (old and not job.is_open)
            assert gone or not old or job.is_open or not complete
            if gone:
                del self.jobs[job_id]
        for (tenant, sha256), unused in list(self.uploads.items()):
            gone = files.find_media(self.db, tenant, sha256) is None
            old = unused > KEPT.uploads * DAY
            assert not gone or (old and not self._is_read(tenant, sha256))
            assert gone or not old or self._open() or self._is_read(tenant, sha256) or not complete
            if gone:
                del self.uploads[tenant, sha256]

    def _store(self, job: ModelJob, content: bytes, role: str, *, dies: bool = False) -> str:
        def claim(sha256: str, size: int) -> None:
            media_type = "a/b" if role == blobs.RESULT else None
            assert blobs.claim(self.db, job.row, role, sha256, size, media_type)
            if dies:
                raise Crash

        sha256 = self.store.put(content, claim)
        job.made.add(sha256)
        if role == blobs.RESULT:
            job.shown.add(sha256)
        return sha256

    @contextmanager
    def _refused_if(self, needed: bool, *, maybe: bool = False) -> Iterator[None]:
        """A deletion is refused exactly if it is needed; `maybe` allows more refusals."""
        try:
            yield
        except deletion.StillNeeded:
            assert needed or maybe
        else:
            assert not needed
