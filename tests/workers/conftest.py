"""What tests of several units share."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from workers.engines.rasterisers.choice import choose_rasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing


@pytest.fixture(scope="session", autouse=True)
def remembering_networks() -> Iterator[None]:
    """An image costs a second of CPU: it is shown once to the networks of the default engines."""
    if find_spec("onnxruntime") is None:
        # the environment of `make test-train` has no engines
        yield
        return
    from tests.support.network_memo import remembered_answers

    with remembered_answers():
        yield


@pytest.fixture(scope="module")
def rasteriser() -> Rasteriser:
    """The best rasteriser of this machine; skips the test where there is none."""
    try:
        return choose_rasteriser()
    except RasteriserMissing as error:
        pytest.skip(str(error))
