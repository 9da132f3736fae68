"""A stack per file that kills parts of it, quick to notice what is gone."""

from collections.abc import Iterator

import pytest
from maquette import Maquette

from service.embedded import Stack
from tests.support.stacks import QUICK, running_stack


@pytest.fixture(scope="module")
def shaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack, to be disturbed."""
    with running_stack(tmp_path_factory.mktemp("shaky"), QUICK) as stack:
        yield stack


@pytest.fixture
def client(shaky: Stack) -> Iterator[Maquette]:
    """A patient client."""
    with Maquette(shaky.url, api_key=shaky.api_key, retries=8) as mq:
        yield mq
