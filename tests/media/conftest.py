"""What tests of media share."""

from collections.abc import Iterator

import pytest

from media.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One decoding process for all tests that do not harm it."""
    with Sandbox() as running:
        yield running
