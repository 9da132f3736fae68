"""Which rasteriser this machine has."""

from workers.engines.rasterisers.gsplat_raster import GsplatRasteriser
from workers.engines.rasterisers.numba_raster import NumbaRasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing


def best() -> Rasteriser:
    """gsplat on CUDA, else numba. Raises RasteriserMissing with what each of them needs."""
    missing = []
    for make in (GsplatRasteriser, NumbaRasteriser):
        try:
            return make()
        except RasteriserMissing as error:
            missing.append(str(error))
    raise RasteriserMissing("; ".join(missing))
