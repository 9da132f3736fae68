"""A stack of its own for each file that kills parts of it, quick to notice what is gone."""

from collections.abc import Iterator

import pytest
from maquette import Maquette

from service.embedded import Stack, free_port

QUICK = {
    "MAQUETTE_LEASE_SECONDS": "3",
    "MAQUETTE_HEARTBEAT_SECONDS": "0.3",
    "MAQUETTE_SWEEP_SECONDS": "0.3",
    "MAQUETTE_REDISPATCH_SECONDS": "1",
    "MAQUETTE_CANCEL_GRACE_SECONDS": "2",
    "MAQUETTE_STOP_GRACE_SECONDS": "1",
}


@pytest.fixture(scope="module")
def shaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack, to be disturbed."""
    stack = Stack(tmp_path_factory.mktemp("shaky"), free_port(), settings=QUICK)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def client(shaky: Stack) -> Iterator[Maquette]:
    """A client that is patient."""
    with Maquette(shaky.url, api_key=shaky.api_key, retries=8) as mq:
        yield mq
