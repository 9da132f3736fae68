"""Threads that write to one SQLite ledger take turns, and none of them starves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text

from storage.ledger import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def open_database(path: Path, busy_seconds: float = 20.0) -> Database:
    return Database(f"sqlite:///{path}", busy_seconds=busy_seconds)


def test_writes_of_many_threads_all_count(path: Path) -> None:
    db = open_database(path)
    with db.write() as connection:
        connection.execute(text("CREATE TABLE counters (n INTEGER)"))
        connection.execute(text("INSERT INTO counters VALUES (0)"))

    def count() -> None:
        for _ in range(5):
            with db.write() as connection:
                connection.execute(text("UPDATE counters SET n = n + 1"))

    with ThreadPoolExecutor(12) as threads:
        for ended in [threads.submit(count) for _ in range(12)]:
            ended.result()
    with db.read() as connection:
        assert connection.execute(text("SELECT n FROM counters")).scalar() == 60
    db.close()


def test_a_thread_that_waits_is_woken_when_the_writer_ends(path: Path) -> None:
    db, began, waits = open_database(path), threading.Event(), []

    def write() -> None:
        began.set()
        start = time.monotonic()
        with db.write():
            waits.append(time.monotonic() - start)

    with db.write() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        thread = threading.Thread(target=write)
        thread.start()
        assert began.wait(5)
        assert not waits
    thread.join(5)
    assert len(waits) == 1
    db.close()


def test_an_error_gives_the_turn_back(path: Path) -> None:
    db = open_database(path)
    with pytest.raises(ZeroDivisionError), db.write():
        raise ZeroDivisionError
    with db.write() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    db.close()


def test_a_writer_that_holds_on_is_reported_as_a_locked_database(path: Path) -> None:
    db = open_database(path, busy_seconds=0.05)
    errors: list[Exception] = []

    def write() -> None:
        try:
            with db.write():
                pass
        except sqlalchemy.exc.OperationalError as error:
            errors.append(error)

    with db.write() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(5)
    assert len(errors) == 1 and "locked" in str(errors[0])
    db.close()
