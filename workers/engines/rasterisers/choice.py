"""Chooses the rasteriser that this machine can run."""

import logging
from collections.abc import Callable
from functools import cache

from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.hosted import HostedRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserBroken, RasteriserMissing
from workers.engines.settings import GSPLAT_PYTHON_VARIABLE, SharedEngineSettings

log = logging.getLogger(__name__)


def choose_rasteriser() -> Rasteriser:
    """gsplat on CUDA, in this process or in the interpreter that MAQUETTE_GSPLAT_PYTHON names, else numba.

    Raises RasteriserMissing with what each of them needs.
    """
    python = SharedEngineSettings().gsplat_python
    makers: list[Callable[[], Rasteriser]] = [GsplatRasteriser, NumbaRasteriser]
    if python:
        makers.insert(0, lambda: _start_hosted(python))
    missing = []
    for make in makers:
        try:
            return make()
        except RasteriserMissing as error:
            missing.append(str(error))
            if isinstance(error, RasteriserBroken):
                log.warning("another rasteriser is used: %s", error)
    raise RasteriserMissing("; ".join(missing))


@cache
def _start_hosted(python: str) -> HostedRasteriser:
    """One child for the life of this process; a failed start is tried again."""
    try:
        return HostedRasteriser(python)
    except RasteriserMissing as error:
        log.warning("%s is set, but: %s", GSPLAT_PYTHON_VARIABLE, error)
        raise
