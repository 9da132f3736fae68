"""The collector's thread in a gateway: it collects in turns, and goes on after whatever fails."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.dispatch.collector_thread import CollectorThread
from service.settings import ServiceSettings
from storage.artefacts.local import LocalStore
from storage.ledger import Database, deletion, files

SETTINGS = ServiceSettings(collect_seconds=0.02, collect_grace_seconds=-1)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def drop_upload(db: Database, store: LocalStore) -> str:
    sha256 = store.put(b"an upload")
    files.add_media(db, "acme", sha256, {"bytes": 9})
    assert deletion.delete_upload(db, "acme", sha256)
    return sha256


def test_two_gateways_remove_what_was_deleted(db: Database, store: LocalStore) -> None:
    gateways = [CollectorThread(db, store, SETTINGS) for _ in range(2)]
    for gateway in gateways:
        gateway.start()
    try:
        sha256 = drop_upload(db, store)
        wait_for(lambda: not store.has(sha256))
    finally:
        for gateway in gateways:
            gateway.close()


def test_it_goes_on_after_errors(
    db: Database, store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = drop_upload(db, store)
    errors = iter([OSError("the store is away"), ValueError("a defect")])
    remove = LocalStore.remove

    def fail_twice(self: LocalStore, hashes: list[str]) -> None:
        error = next(errors, None)
        if hashes and error is not None:
            raise error
        remove(self, hashes)

    monkeypatch.setattr(LocalStore, "remove", fail_twice)
    gateway = CollectorThread(db, store, SETTINGS)
    gateway.start()
    try:
        wait_for(lambda: not store.has(sha256))
    finally:
        gateway.close()
    assert caplog.text.count("the next round tries again") == 2


def test_it_can_be_turned_off(db: Database, store: LocalStore) -> None:
    gateway = CollectorThread(db, store, ServiceSettings(collect_seconds=0))
    gateway.start()
    gateway.close()
