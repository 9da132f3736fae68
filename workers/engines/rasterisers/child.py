"""The child of a hosted rasteriser: an interpreter that has what the worker's lacks, gsplat above all."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.engines.host.arrays import Arrays
from workers.engines.host.child import Answer, ChildError, serve
from workers.engines.rasterisers.gsplat_raster import GsplatRasteriser
from workers.engines.rasterisers.numba_raster import NumbaRasteriser
from workers.engines.rasterisers.protocol import Gaussians, Rasteriser, RasteriserMissing
from workers.geometry.cameras import Camera
from workers.geometry.posed import PosedCamera
from workers.geometry.poses import Similarity

KINDS: Mapping[str, Callable[[], Rasteriser]] = {"gsplat": GsplatRasteriser, "numba": NumbaRasteriser}


class Drawer:
    """Draws for the parent, which sends Gaussians and a view with each request."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Load the rasteriser of the config; raises ChildError `rasteriser_missing`."""
        try:
            self._rasteriser = KINDS[config["rasteriser"]]()
        except RasteriserMissing as error:
            raise ChildError(error.code, str(error)) from error
        self.ready: Answer = ({"name": self._rasteriser.name}, {})

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """The picture, and the gradients where the loss's are given."""
        gaussians = Gaussians(*(arrays[name] for name in Gaussians.__slots__))
        posed = PosedCamera(Camera(**fields["camera"]), Similarity(**fields["cam_from_world"]))
        if not fields["gradients"]:
            drawn = self._rasteriser.draw(gaussians, posed)
            return {}, {"color": drawn.color, "alpha": drawn.alpha}
        drawn, found = self._rasteriser.gradients(gaussians, posed, arrays["by_color"], arrays["by_alpha"])
        slopes = {f"d_{name}": getattr(found, name) for name in Gaussians.__slots__}
        return {}, {"color": drawn.color, "alpha": drawn.alpha, **slopes}


if __name__ == "__main__":
    serve(Drawer)
