"""What all tests share: the order of a parallel run, ledgers of both kinds, and one embedded stack."""

import gc
import os

# as in the workers, and before NumPy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from maquette import Maquette

from service.embedded import Stack
from storage.ledger import Database
from tests.support.paths import TESTS
from tests.support.postgres import running_postgres
from tests.support.stacks import running_stack

# a slow machine is no failure: Hypothesis would end examples of over 200 ms
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

# folders whose tests start stacks, kill processes, need large engines or run whole jobs: `make check` leaves
# them out, and single files that are marked `slow`
SLOW_FOLDERS = ("acceptance/", "chaos/", "parity/", "workers/jobs/")
# tests that share something costly run in one process: those of a folder (syntax trees, a dataset to export,
# answers of networks about the same images), and those that use a fixture
SHARED_FOLDERS = ("architecture/", "workers/datasets/exporters/", "workers/engines/concepts/")
SHARED_FIXTURES = ("stack", "db")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector away from modules and tests, half a million objects that stay until the end.

    It costs each process three seconds to look through them again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark slow folders, and tell pytest-xdist which tests stay in one process: a group, else a file.

    A wrapper, since pytest-xdist reads the groups in a hook that runs before every other plain one.
    """
    for item in items:
        if _path_in_tests(item.path).startswith(SLOW_FOLDERS):
            item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.xdist_group(_find_group(item)))
    if hasattr(config, "workerinput"):
        # the long groups first, so that no process waits for another at the end
        items.sort(key=lambda item: (*_is_short(item), _path_in_tests(item.path)))
    yield


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: their text may differ between the processes of a parallel run."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@cache
def _path_in_tests(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def _find_group(item: pytest.Item) -> str:
    path = _path_in_tests(item.path)
    fixtures = [name for name in SHARED_FIXTURES if name in getattr(item, "fixturenames", ())]
    folders = [name for name in SHARED_FOLDERS if path.startswith(name)]
    return next(iter(fixtures + folders), path)


def _is_short(item: pytest.Item) -> tuple[bool, bool, bool]:
    group = _find_group(item)
    return group != "stack", group not in SHARED_FOLDERS, item.get_closest_marker("slow") is None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty Postgres database that no other test process uses."""
    with running_postgres() as url:
        yield url


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
    with running_stack(folder, settings) as running:
        yield running


@pytest.fixture
def mq(stack: Stack) -> Iterator[Maquette]:
    """A client of the embedded stack."""
    with Maquette(stack.url, api_key=stack.api_key) as client:
        yield client
