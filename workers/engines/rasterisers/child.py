"""The child process of a hosted rasteriser: its interpreter has the libraries that the worker's lacks."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.engines.host.arrays import Arrays
from workers.engines.host.child import Answer, ChildError, serve
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import Rasteriser, RasteriserMissing, RenderOptions
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

RASTERISERS: Mapping[str, Callable[[], Rasteriser]] = {"gsplat": GsplatRasteriser, "numba": NumbaRasteriser}


class RasteriserChild:
    """Renders for the parent, which sends Gaussians and a view with each request."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Load the rasteriser that the config names; raises ChildError `rasteriser_missing`."""
        try:
            self._rasteriser = RASTERISERS[config["rasteriser"]]()
        except RasteriserMissing as error:
            raise ChildError(error.code, str(error)) from error
        self.ready: Answer = ({"name": self._rasteriser.name}, {})

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """The rendering, and the gradients `d_means`, `d_rotations`, … where the loss's are given."""
        gaussians = Gaussians.from_arrays(arrays)
        view = PosedCamera(Camera(**fields["camera"]), Similarity(**fields["cam_from_world"]))
        if not fields["gradients"]:
            rendering = self._rasteriser.render(gaussians, view, RenderOptions(**fields["options"]))
            depth = {} if rendering.depth is None else {"depth": rendering.depth}
            return {}, {"color": rendering.color, "alpha": rendering.alpha, **depth}
        by_color, by_alpha = arrays["by_color"], arrays["by_alpha"]
        rendering, gradients = self._rasteriser.backward(gaussians, view, by_color, by_alpha)
        named = {f"d_{name}": values for name, values in gradients.arrays().items()}
        return {}, {"color": rendering.color, "alpha": rendering.alpha, **named}


if __name__ == "__main__":
    serve(RasteriserChild)
