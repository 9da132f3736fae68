"""Backup under load and restoration into an empty installation, from each kind of ledger into SQLite."""

import gzip
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import backup
from storage.artefacts.local import LocalStore
from storage.backup import BackupRefused, restore_backup, write_backup
from storage.collection import Collector
from storage.ledger import (
    Database,
    JobRow,
    Submission,
    audit,
    blobs,
    deletion,
    files,
    jobs,
    keys,
    leases,
    reaper,
    retention,
    usage,
)
from storage.ledger.retention import Retention
from tests.support.history_model import build_manifest

FOREVER = Retention(uploads=0, results=0, events=0, scratch=0)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Database]:
    """Where there is no ledger yet."""
    database = Database(f"sqlite:///{tmp_path / 'restored.db'}")
    yield database
    database.close()


@pytest.fixture
def new_store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "new")


def put(db: Database, store: LocalStore, job: JobRow, data: bytes, role: str = blobs.RESULT) -> str:
    def claim(sha256: str, size: int) -> None:
        assert blobs.claim(db, job, role, sha256, size, "a/b" if role == blobs.RESULT else None)

    return store.put(data, claim)


def upload(db: Database, store: LocalStore, data: bytes) -> str:
    sha256 = store.put(data, lambda *known: blobs.reserve(db, *known))
    files.add_media(db, "acme", sha256, {"bytes": len(data)})
    return sha256


def begin(db: Database, media: list[str]) -> JobRow:
    row, _ = jobs.submit(db, Submission("acme", "segment", "auto", "default", "{}", "h", 600), media=media)
    held = leases.claim(db, row.id, "w", 600)
    assert held is not None
    return held


def finish(db: Database, store: LocalStore, number: int) -> tuple[str, bytes]:
    """A job that has succeeded with one artefact; returns its id and the artefact's bytes."""
    data = f"result {number}".encode()
    job = begin(db, [])
    manifest = put(db, store, job, build_manifest({put(db, store, job, data)}, job.id))
    assert leases.succeed(db, job, manifest)
    return job.id, data


def read_results(db: Database, store: LocalStore) -> dict[str, list[bytes]]:
    """The bytes of every artefact of every job that has succeeded, by the id of the job."""
    results = {}
    for row in jobs.list_page(db, "acme", kind=None, state="succeeded", before=None, limit=1000):
        manifest = json.loads(store.get(str(row.manifest_sha256)))
        results[row.id] = [store.get(item["sha256"]) for item in manifest["artefacts"]]
    return results


@pytest.mark.slow
def test_every_finished_job_downloads_after_a_restoration(
    db: Database, store: LocalStore, restored: Database, new_store: LocalStore, tmp_path: Path
) -> None:
    secret = keys.create(db, "acme", "laptop", scopes=["read"])
    image = upload(db, store, b"an image")
    finished = dict(finish(db, store, number) for number in range(5))
    running = begin(db, [image])
    piece = put(db, store, running, b"half of it", blobs.SCRATCH)
    assert leases.checkpoint(db, running, {"piece": piece})
    report = write_backup(db, store, tmp_path / "backup")
    assert report.missing == 0 and report.files == 2 + 2 * len(finished)
    assert restore_backup(restored, new_store, tmp_path / "backup").rows == report.rows

    assert read_results(restored, new_store) == {job_id: [data] for job_id, data in finished.items()}
    assert new_store.get(image) == b"an image" and files.find_media(restored, "acme", image) is not None
    key = keys.find(restored, secret)
    assert key is not None and key.scopes == frozenset({"read"})
    assert usage.get_usage(restored, "acme").stored_bytes == usage.get_usage(db, "acme").stored_bytes
    for job_id in finished:
        assert jobs.list_events(restored, job_id, 0) == jobs.list_events(db, job_id, 0)
    # what ran goes on from its checkpoint, and new events follow the old ones
    with restored.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET lease_until = 0 WHERE state = 'running'")
    reaper.reap(restored, max_attempts=9, cancel_grace=5, queue_seconds=1e9)
    again = leases.claim(restored, running.id, "w", 600)
    assert again is not None and again.checkpoint == {"piece": piece}
    assert new_store.get(piece) == b"half of it"
    sequence = [event["seq"] for event in jobs.list_events(restored, running.id, 0)]
    assert sequence == sorted(sequence) and len(sequence) == 4
    with pytest.raises(deletion.StillNeeded):
        deletion.delete_upload(restored, "acme", image)


@pytest.mark.slow
def test_a_backup_under_load_has_every_file_that_it_names(
    db: Database, store: LocalStore, restored: Database, new_store: LocalStore, tmp_path: Path
) -> None:
    """Jobs finish and are deleted, and a gateway collects without any grace."""
    kept = dict(finish(db, store, number) for number in range(20))
    stop = threading.Event()

    def work() -> None:
        number = 1000
        while not stop.is_set():
            job_id, _ = finish(db, store, number)
            assert deletion.delete_job(db, "acme", job_id)
            number += 1

    def collect() -> None:
        while not stop.is_set():
            Collector(db, store, FOREVER, grace_seconds=-1).collect()

    threads = [threading.Thread(target=work), threading.Thread(target=collect)]
    for thread in threads:
        thread.start()
    try:
        write_backup(db, store, tmp_path / "backup")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    restore_backup(restored, new_store, tmp_path / "backup")
    results = read_results(restored, new_store)
    assert {job_id: results[job_id] for job_id in kept} == {job_id: [data] for job_id, data in kept.items()}


def test_the_next_backup_copies_what_is_new_and_drops_what_was_deleted(
    db: Database, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    first, second = upload(db, store, b"first"), upload(db, store, b"second")
    write_backup(db, store, folder)
    deletion.delete_upload(db, "acme", first)
    third = upload(db, store, b"third")
    copied: list[str] = []
    original = LocalStore.read

    def read(self: LocalStore, sha256: str, *range_: int) -> Iterator[bytes]:
        copied.append(sha256)
        return original(self, sha256, *range_)

    monkeypatch.setattr(LocalStore, "read", read)
    assert write_backup(db, store, folder).files == 2
    assert copied == [third]
    assert {file.sha256 for file in LocalStore(folder / "artefacts").list_files("")} == {second, third}


def test_nothing_is_removed_while_a_backup_is_written(
    db: Database, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = upload(db, store, b"deleted meanwhile")
    original = backup._dump

    def dump_then_delete(ledger: Database, target: Path) -> tuple[set[str], int]:
        dumped = original(ledger, target)
        assert deletion.delete_upload(ledger, "acme", gone)
        assert Collector(ledger, store, FOREVER, grace_seconds=-1).collect().files == 0
        return dumped

    monkeypatch.setattr(backup, "_dump", dump_then_delete)
    assert write_backup(db, store, tmp_path / "backup").missing == 0
    assert Collector(db, store, FOREVER, grace_seconds=-1).collect().files == 1


def test_a_ledger_with_anything_in_it_is_refused(db: Database, store: LocalStore, tmp_path: Path) -> None:
    write_backup(db, store, tmp_path / "backup")
    keys.create(db, "acme", "laptop")
    with pytest.raises(BackupRefused, match="not empty"):
        restore_backup(db, store, tmp_path / "backup")
    assert len(keys.list_open(db)) == 1


def test_a_damaged_or_half_written_backup_is_refused(
    db: Database, store: LocalStore, restored: Database, new_store: LocalStore, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    with pytest.raises(BackupRefused, match="no complete backup"):
        restore_backup(restored, new_store, folder)
    sha256 = upload(db, store, b"an image")
    write_backup(db, store, folder)
    copy = folder / "artefacts" / sha256[:2] / sha256
    copy.chmod(0o600)
    copy.write_bytes(b"another")
    with pytest.raises(BackupRefused, match="damaged"):
        restore_backup(restored, new_store, folder)
    copy.write_bytes(b"an image")
    # the ledger was left empty, so that it can be tried again
    restore_backup(restored, new_store, folder)
    assert files.find_media(restored, "acme", sha256) is not None


def test_a_backup_is_readable_without_this_program(db: Database, store: LocalStore, tmp_path: Path) -> None:
    upload(db, store, b"an image")
    write_backup(db, store, tmp_path)
    with gzip.open(tmp_path / "ledger.jsonl.gz", "rt") as lines:
        tables = [json.loads(line)["table"] for line in lines]
    assert tables[0] == "alembic_version" and {"media", "blobs", "blob_refs"} <= set(tables)
    assert json.loads((tmp_path / "backup.json").read_text())["files"] == 1


def test_removals_that_are_paused_go_on_after_the_pause(db: Database, store: LocalStore) -> None:
    upload(db, store, b"x")
    [media] = [file.sha256 for file in store.list_files("")]
    deletion.delete_upload(db, "acme", media)
    retention.pause_removals(db, 60)
    assert Collector(db, store, FOREVER, grace_seconds=-1).collect().files == 0
    retention.pause_removals(db, -1)
    assert Collector(db, store, FOREVER, grace_seconds=-1).collect().files == 1
    assert list(audit.list_acts(db))[-1].action == "upload.delete"


@pytest.mark.slow
def test_from_sqlite_to_postgres(
    store: LocalStore, new_store: LocalStore, postgres_url: str, tmp_path: Path
) -> None:
    old = Database(f"sqlite:///{tmp_path / 'old.db'}")
    old.migrate()
    job_id, data = finish(old, store, 1)
    write_backup(old, store, tmp_path / "backup")
    new = Database(postgres_url)
    with new.write() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    restore_backup(new, new_store, tmp_path / "backup")
    assert read_results(new, new_store) == {job_id: [data]}
    before = [event["seq"] for event in jobs.list_events(new, job_id, 0)]
    after = [event["seq"] for event in jobs.list_events(new, finish(new, new_store, 2)[0], 0)]
    assert min(after) > max(before)
    for database in (old, new):
        database.close()
