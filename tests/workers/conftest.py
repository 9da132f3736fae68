"""What tests of several units share."""

import pytest

from workers.engines.rasterisers.choice import choose_rasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing


@pytest.fixture(scope="module")
def rasteriser() -> Rasteriser:
    """The best rasteriser of this machine; skips the test where there is none."""
    try:
        return choose_rasteriser()
    except RasteriserMissing as error:
        pytest.skip(str(error))
