"""What tests of jobs share."""

from collections.abc import Iterator

import pytest

from tests.support.dataset_worlds import World
from tests.support.gateway import application, gateway, state, stranger, tenant

__all__ = ["application", "gateway", "state", "stranger", "tenant", "world"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A ledger, a store and a sandbox for dataset jobs, shared by the tests of a file."""
    folder = World(tmp_path_factory.mktemp("world"))
    yield folder
    folder.sandbox.close()
    folder.db.close()
