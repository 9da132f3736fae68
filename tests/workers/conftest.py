"""What tests of several units share."""

import pytest

from workers.engines.rasterisers.choice import best
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing


@pytest.fixture(scope="module")
def rasteriser() -> Rasteriser:
    """The best rasteriser of this machine; skips the test where there is none."""
    try:
        return best()
    except RasteriserMissing as error:
        pytest.skip(str(error))
