"""Random histories against a model, on SQLite and Postgres, in a folder and in S3.

`MAQUETTE_TEST_HISTORIES=2000` runs so many of each kind, instead of as many as fit in a second or two.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import event

from storage.artefacts import ArtefactStore
from storage.artefacts.local import LocalStore
from storage.ledger import Database
from storage.ledger.tables import metadata
from tests.support.crashes import CrashingDatabase
from tests.support.histories import Histories

World = tuple[CrashingDatabase, CrashingDatabase, ArtefactStore]
WANTED = int(os.environ.get("MAQUETTE_TEST_HISTORIES", "0"))


def run(open_world: Callable[[], World], histories: int) -> None:
    machine = type("TheseHistories", (Histories,), {"open_world": staticmethod(open_world)})
    chosen = settings(
        max_examples=WANTED or histories,
        stateful_step_count=40,
        database=None,
        derandomize=not WANTED,
        suppress_health_check=list(HealthCheck),
        # shrinking takes minutes, and a failing history is short enough to read
        phases=(Phase.generate,),
    )
    run_state_machine_as_test(machine, settings=chosen)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """An empty ledger, which is copied for each history."""
    database = Database(f"sqlite:///{tmp_path / 'template.db'}")
    database.migrate()
    database.close()
    return tmp_path / "template.db"


def open_ledgers(template: Path, folder: Path) -> tuple[CrashingDatabase, CrashingDatabase]:
    """A new ledger as two gateways open it."""
    file = Path(tempfile.mkdtemp(dir=folder)) / "ledger.db"
    shutil.copyfile(template, file)
    first, second = (CrashingDatabase(f"sqlite:///{file}") for _ in range(2))
    for database in (first, second):
        event.listen(database.engine, "connect", write_without_disk)
    return first, second


def write_without_disk(connection: object, _record: object) -> None:
    # a killed process loses nothing by this, and histories are ten times as fast
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]


@pytest.mark.slow
def test_on_sqlite_and_in_a_folder(template: Path, tmp_path: Path) -> None:
    def open_world() -> World:
        return (*open_ledgers(template, tmp_path), LocalStore(Path(tempfile.mkdtemp(dir=tmp_path))))

    run(open_world, histories=8)


def test_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    ledger = Database(postgres_url)
    ledger.migrate()
    ledger.close()

    def open_world() -> World:
        first, second = CrashingDatabase(postgres_url), CrashingDatabase(postgres_url)
        names = ", ".join(name for name in metadata.tables if name not in ("collection", "ledger_clock"))
        with first.write() as connection:
            connection.exec_driver_sql(f"TRUNCATE {names}")
        return first, second, LocalStore(Path(tempfile.mkdtemp(dir=tmp_path)))

    run(open_world, histories=2)


@pytest.fixture
def s3_endpoint() -> Iterator[str]:
    from tests.support.s3 import running_s3

    with ExitStack() as stack:
        yield stack.enter_context(running_s3("bucket"))


@pytest.mark.slow
def test_in_s3(template: Path, tmp_path: Path, s3_endpoint: str) -> None:
    from storage.artefacts.s3 import S3Store

    def open_world() -> World:
        scratch = Path(tempfile.mkdtemp(dir=tmp_path))
        return (*open_ledgers(template, tmp_path), S3Store("bucket", scratch.name, scratch, s3_endpoint))

    run(open_world, histories=1)
