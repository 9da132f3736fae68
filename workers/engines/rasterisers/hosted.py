"""A rasteriser in a child process, for workers whose environment cannot hold torch and gsplat."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.host.errors import HostError
from workers.engines.host.host import EngineHost, HostSpec
from workers.engines.rasterisers.protocol import (
    PLAIN,
    GaussianGradients,
    RasteriserMissing,
    Rendering,
    RenderOptions,
)
from workers.geometry.gaussians import Array, Gaussians
from workers.geometry.posed_cameras import PosedCamera

CHILD = "workers.engines.rasterisers.child"


class HostedRasteriser:
    """Sends each view to a child; `name` is that of the child's rasteriser."""

    def __init__(self, python: str, rasteriser: str = "gsplat") -> None:
        """Start `python`, an interpreter with what the rasteriser needs; raises RasteriserMissing."""
        config = {"rasteriser": rasteriser}
        self._host = EngineHost(HostSpec(name="rasteriser", module=CHILD, python=python, config=config))
        try:
            self.name = str(self._host.start().fields["name"])
        except HostError as error:
            self._host.close()
            raise RasteriserMissing(f"the hosted rasteriser does not start: {error}") from error

    def close(self) -> None:
        """Stop the child; the next rendering starts it again."""
        self._host.close()

    def render(self, gaussians: Gaussians, view: PosedCamera, options: RenderOptions = PLAIN) -> Rendering:
        """See `Rasteriser.render`; raises HostError when the child does not answer."""
        arrays = self._request(gaussians, view, options, gradients=False)
        return Rendering(arrays["color"], arrays["alpha"], arrays.get("depth"))

    def backward(
        self, gaussians: Gaussians, view: PosedCamera, by_color: Array, by_alpha: Array
    ) -> tuple[Rendering, GaussianGradients]:
        """See `Rasteriser.backward`; raises HostError when the child does not answer."""
        arrays = self._request(gaussians, view, gradients=True, by_color=by_color, by_alpha=by_alpha)
        gradients = GaussianGradients(
            **{name[2:]: values for name, values in arrays.items() if name.startswith("d_")}
        )
        return Rendering(arrays["color"], arrays["alpha"]), gradients

    def _request(
        self,
        gaussians: Gaussians,
        view: PosedCamera,
        options: RenderOptions = PLAIN,
        *,
        gradients: bool,
        **loss: Array,
    ) -> Mapping[str, NDArray[Any]]:
        fields = {
            "camera": asdict(view.camera),
            "cam_from_world": asdict(view.cam_from_world),
            "gradients": gradients,
            "options": asdict(options),
        }
        arrays = {name: np.ascontiguousarray(values) for name, values in (gaussians.arrays() | loss).items()}
        return self._host.ask(fields, arrays).arrays
