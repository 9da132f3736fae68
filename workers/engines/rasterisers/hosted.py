"""A rasteriser in a process of its own, for workers whose environment cannot hold torch and gsplat."""

from dataclasses import asdict
from typing import Any

import numpy as np

from workers.engines.host.errors import HostError
from workers.engines.host.host import EngineHost, HostSpec
from workers.engines.rasterisers.protocol import Array, Drawn, Gaussians, RasteriserMissing
from workers.geometry.posed import PosedCamera

CHILD = "workers.engines.rasterisers.child"


class HostedRasteriser:
    """Asks a child for each picture; `name` is that of the child's rasteriser."""

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
        """Stop the child; the next picture starts it again."""
        self._host.close()

    def draw(self, gaussians: Gaussians, view: PosedCamera) -> Drawn:
        """See `Rasteriser.draw`; raises HostError when the child gives no answer."""
        found = self._ask(gaussians, view, gradients=False)
        return Drawn(found["color"], found["alpha"])

    def gradients(
        self, gaussians: Gaussians, view: PosedCamera, color: Array, alpha: Array
    ) -> tuple[Drawn, Gaussians]:
        """See `Rasteriser.gradients`; raises HostError when the child gives no answer."""
        found = self._ask(gaussians, view, gradients=True, by_color=color, by_alpha=alpha)
        slopes = Gaussians(*(found[f"d_{name}"] for name in Gaussians.__slots__))
        return Drawn(found["color"], found["alpha"]), slopes

    def _ask(self, gaussians: Gaussians, view: PosedCamera, *, gradients: bool, **more: Array) -> Any:
        parts = {name: getattr(gaussians, name) for name in Gaussians.__slots__} | more
        fields = {
            "camera": asdict(view.camera),
            "cam_from_world": asdict(view.cam_from_world),
            "gradients": gradients,
        }
        return self._host.ask(
            fields, {name: np.ascontiguousarray(part) for name, part in parts.items()}
        ).arrays
