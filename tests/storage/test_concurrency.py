"""Two tenants with the same bytes, many threads at once: no deadlock, nothing lost, every byte counted."""

import hashlib
import random
import threading
from pathlib import Path

import pytest

from storage.artefacts.local import LocalStore
from storage.checking import check_store
from storage.collection import Collector
from storage.ledger import Database, Submission, blobs, deletion, files, jobs, leases, usage
from storage.ledger.inputs import InputGone
from storage.ledger.retention import Retention
from tests.support.histories import build_manifest

TENANTS = ("acme", "globex")
CONTENTS = [f"content {number}".encode() for number in range(5)]
HASHES = [hashlib.sha256(content).hexdigest() for content in CONTENTS]
AT_ONCE = Retention(uploads=0, results=0, events=0, scratch=1e-9)
THREADS, STEPS = 6, 15


class Client:
    """One thread that uploads, runs jobs, deletes and collects, in an order of its own."""

    def __init__(self, db: Database, store: LocalStore, seed: int) -> None:
        self.db, self.store, self.random = db, store, random.Random(seed)
        self.done: list[tuple[str, str]] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        steps = (self.upload, self.run_job, self.run_job, self.delete_job, self.delete_files, self.collect)
        for _ in range(STEPS):
            try:
                self.random.choice(steps)(self.random.choice(TENANTS))
            except (deletion.StillNeeded, InputGone):
                continue
            except Exception as error:
                self.errors.append(error)

    def upload(self, tenant: str) -> None:
        content = self.random.choice(CONTENTS)
        stored = False
        # as the gateway asks for an upload again that took longer than the grace time
        while not stored:
            sha256 = self.store.put(content, lambda *known: blobs.reserve(self.db, *known))
            files.add_media(self.db, tenant, sha256, {"bytes": len(content)})
            stored = self.store.has(sha256)

    def run_job(self, tenant: str) -> None:
        submission = Submission(tenant, "segment", "auto", "default", "{}", "h", 60)
        row, _ = jobs.submit(self.db, submission, media=[self.random.choice(HASHES)], max_queued=1000)
        job = leases.claim(self.db, row.id, "w", 60)
        assert job is not None

        def put(content: bytes, role: str) -> str:
            def claim(sha256: str, size: int) -> None:
                assert blobs.claim(self.db, job, role, sha256, size, "a/b" if role == blobs.RESULT else None)

            return self.store.put(content, claim)

        put(self.random.choice(CONTENTS), blobs.SCRATCH)
        made = {put(content, blobs.RESULT) for content in self.random.sample(CONTENTS, 2)}
        assert all(self.store.has(sha256) for sha256 in made)
        assert leases.succeed(self.db, job, put(build_manifest(made, job.id), blobs.RESULT))
        self.done.append((tenant, job.id))

    def delete_job(self, _tenant: str) -> None:
        if self.done:
            assert deletion.delete_job(self.db, *self.done.pop())

    def delete_files(self, tenant: str) -> None:
        deletion.delete_upload(self.db, tenant, self.random.choice(HASHES))
        deletion.delete_artefact(self.db, tenant, self.random.choice(HASHES))

    def collect(self, _tenant: str) -> None:
        Collector(self.db, self.store, AT_ONCE, grace_seconds=-1).collect(1)


@pytest.mark.slow
def test_threads_of_two_tenants_that_share_bytes(db: Database, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    clients = [Client(db, store, seed) for seed in range(THREADS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error for client in clients for error in client.errors] == []
    assert check_store(db, store, min_age_seconds=-1, repair=False).counts == {}
    counted = [usage.get_usage(db, tenant).stored_bytes for tenant in TENANTS]
    usage.recount(db)
    assert [usage.get_usage(db, tenant).stored_bytes for tenant in TENANTS] == counted
