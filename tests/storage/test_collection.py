"""Collection and the check of a store: writers and removers at once, crashes, differences both ways."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from storage import checking
from storage.artefacts import ArtefactStore
from storage.artefacts.local import LocalStore
from storage.checking import check_store
from storage.collection import Collector
from storage.ledger import (
    Database,
    JobRow,
    Submission,
    blobs,
    deletion,
    files,
    jobs,
    leases,
    retention,
    tenants,
)
from storage.ledger.retention import Retention
from storage.ledger.tables import blobs as table

FOREVER = Retention(uploads=0, results=0, events=0, scratch=0)


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return LocalStore(tmp_path / "store")


def begin(db: Database) -> JobRow:
    """A job that a worker has claimed."""
    row, _ = jobs.submit(db, Submission("acme", "segment", "auto", "default", "{}", "h", 60))
    held = leases.claim(db, row.id, "w", 30)
    assert held is not None
    return held


def put(db: Database, store: ArtefactStore, job: JobRow, data: bytes) -> str:
    def claim(sha256: str, size: int) -> None:
        assert blobs.claim(db, job, blobs.SCRATCH, sha256, size)

    return store.put(data, claim)


def end(db: Database, job: JobRow) -> None:
    assert leases.fail(db, job, {"code": "x"})
    assert deletion.delete_job(db, "acme", job.id)


def collect(db: Database, store: ArtefactStore, kept: Retention = FOREVER, grace: float = -1) -> Any:
    return Collector(db, store, kept, grace_seconds=grace).collect()


@pytest.mark.slow
def test_a_file_that_is_stored_while_it_is_removed_is_there_afterwards(
    db: Database, store: ArtefactStore
) -> None:
    """Two gateways collect without any grace, while jobs store the same bytes again and again."""
    stop, errors = threading.Event(), []

    def collect_always() -> None:
        while not stop.is_set():
            try:
                collect(db, store)
            except Exception as error:
                errors.append(error)

    gateways = [threading.Thread(target=collect_always) for _ in range(2)]
    for gateway in gateways:
        gateway.start()
    try:
        for _ in range(25):
            job = begin(db)
            sha256 = put(db, store, job, b"the same bytes")
            assert store.get(sha256) == b"the same bytes"
            end(db, job)
    finally:
        stop.set()
        for gateway in gateways:
            gateway.join()
    assert errors == []
    collect(db, store)
    assert list(store.list_files("")) == []


def test_the_grace_time_protects_what_nothing_refers_to_yet(db: Database, store: ArtefactStore) -> None:
    sha256 = store.put(b"an upload", lambda *known: blobs.reserve(db, *known))
    collect(db, store, grace=60)
    assert store.has(sha256)
    with db.write() as connection:
        connection.execute(update(table).values(condemned_at=table.c.condemned_at - 61))
    assert collect(db, store, grace=60).files == 1
    assert not store.has(sha256)


def test_a_slow_disk_is_given_fewer_files_at_once(
    db: Database, store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = begin(db)
    for number in range(12):
        put(db, store, job, b"file %d" % number)
    end(db, job)
    now, per_transaction = 0.0, [0]
    remove, forget = store.remove, blobs.forget

    def remove_slowly(hashes: list[str]) -> None:
        nonlocal now
        now += 0.009
        per_transaction[-1] += len(hashes)
        remove(hashes)

    def end_transaction(*given: Any) -> None:
        per_transaction.append(0)
        forget(*given)

    monkeypatch.setattr(store, "remove", remove_slowly)
    monkeypatch.setattr(blobs, "forget", end_transaction)
    monkeypatch.setattr(db.time, "monotonic", lambda: now)
    assert collect(db, store).files == 12
    # the lock ends 20 ms after it was taken, as soon as the file is done
    assert [count for count in per_transaction if count] == [3, 3, 3, 3]
    assert list(store.list_files("")) == []


def test_a_store_that_refuses_is_asked_again(
    db: Database, store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = begin(db)
    sha256 = put(db, store, job, b"x")
    end(db, job)

    def refuse(_hashes: list[str]) -> None:
        raise OSError("no")

    with monkeypatch.context() as patched:
        patched.setattr(store, "remove", refuse)
        with pytest.raises(OSError, match="no"):
            collect(db, store)
    assert store.has(sha256)
    assert collect(db, store).files == 1


def test_of_several_gateways_one_has_the_turn(db: Database) -> None:
    assert [retention.take_turn(db, 60) for _ in range(3)] == [True, False, False]
    assert not retention.take_turn(db, -1)


def test_retention_of_one_tenant(db: Database, store: ArtefactStore) -> None:
    for name in ("acme", "globex"):
        sha256 = store.put(name.encode(), lambda *known: blobs.reserve(db, *known))
        files.add_media(db, name, sha256, {"bytes": 4})
    tenants.change_settings(db, "globex", {"keep_uploads_days": 1e-9})
    assert collect(db, store).uploads == 1
    assert [file.bytes for file in store.list_files("")] == [len("acme")]
    assert tenants.change_settings(db, "globex", {"keep_uploads_days": None}) == {}


def test_old_events_go_and_the_job_stays(db: Database, store: ArtefactStore) -> None:
    job = begin(db)
    assert leases.fail(db, job, {"code": "x"})
    assert collect(db, store, Retention(uploads=0, results=0, events=1e-9, scratch=0)).histories == 1
    assert jobs.list_events(db, job.id, 0) == []
    assert jobs.get(db, "acme", job.id) is not None
    assert collect(db, store, Retention(uploads=0, results=0, events=1e-9, scratch=0)).histories == 0


def check(db: Database, store: ArtefactStore, *, repair: bool = False, age: float = -1) -> dict[str, int]:
    return check_store(db, store, min_age_seconds=age, repair=repair).counts


def test_an_unknown_file_is_reported_and_collected_after_a_repair(db: Database, store: ArtefactStore) -> None:
    job = begin(db)
    kept = put(db, store, job, b"needed")
    unknown = store.put(b"nobody knows")
    assert check(db, store, age=3600) == {}
    assert check(db, store) == {"unknown_file": 1}
    collect(db, store)
    assert store.has(unknown)
    assert check(db, store, repair=True) == {"unknown_file": 1}
    assert check(db, store) == {}
    collect(db, store)
    assert store.has(kept) and not store.has(unknown)


def test_a_lost_file_is_reported_with_its_owners_and_can_be_sent_again(
    db: Database, store: ArtefactStore
) -> None:
    sha256 = store.put(b"an upload", lambda *known: blobs.reserve(db, *known))
    files.add_media(db, "acme", sha256, {"bytes": 9})
    job = begin(db)

    def claim(sha256: str, size: int) -> None:
        assert blobs.claim(db, job, blobs.RESULT, sha256, size, "a/b")

    artefact = store.put(b"an artefact", claim)
    store.remove([sha256, artefact])
    report = check_store(db, store, min_age_seconds=-1, repair=True)
    assert report.counts == {"lost_file": 2}
    assert {item.needed_by for item in report.differences} == {("acme/uploads",), (f"acme/{job.id}",)}
    assert files.find_media(db, "acme", sha256) is None
    found = files.find_artefact(db, "acme", artefact)
    assert found is not None and found.deleted
    collect(db, store)
    assert check(db, store) == {}


def test_a_damaged_file_is_reported(db: Database, store: ArtefactStore, tmp_path: Path) -> None:
    sha256 = put(db, store, begin(db), b"12345")
    file = tmp_path / "store" / sha256[:2] / sha256
    file.chmod(0o600)
    file.write_bytes(b"123")
    assert check(db, store) == {"wrong_size": 1}
    file.write_bytes(b"12354")
    assert check(db, store) == {}
    assert check_store(db, store, min_age_seconds=-1, repair=False, read_all=True).counts == {
        "damaged_file": 1
    }


def test_a_file_whose_name_is_no_hash_is_reported_and_left(
    db: Database, store: ArtefactStore, tmp_path: Path
) -> None:
    stray = tmp_path / "store" / "ab" / f"ab{'x' * 80}"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"notes of somebody")
    assert check(db, store, repair=True) == {"stray_file": 1}
    collect(db, store)
    assert stray.is_file()


def test_a_repair_leaves_what_is_sent_again_meanwhile(
    db: Database, store: ArtefactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the comparison and the repair."""
    sha256 = store.put(b"an upload", lambda *known: blobs.reserve(db, *known))
    files.add_media(db, "acme", sha256, {"bytes": 9})
    with db.write() as connection:
        connection.execute(update(table).values(stored_at=table.c.stored_at - 100))
    store.remove([sha256])
    repair = checking._repair

    def send_then_repair(*arguments: Any) -> None:
        store.put(b"an upload", lambda *known: blobs.reserve(db, *known))
        files.add_media(db, "acme", sha256, {"bytes": 9})
        repair(*arguments)

    monkeypatch.setattr(checking, "_repair", send_then_repair)
    assert check(db, store, repair=True, age=50) == {"lost_file": 1}
    collect(db, store)
    assert store.has(sha256) and files.find_media(db, "acme", sha256) is not None
