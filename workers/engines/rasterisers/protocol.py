"""What draws Gaussian splats and takes gradients back to them.

A Gaussian projects by the local affine approximation of EWA splatting (Zwicker et al. 2001) as in 3D Gaussian
Splatting (Kerbl et al. 2023, eq. 5), with 0.3 square pixels added to its covariance. Gaussians blend front to
back by the depth of their means; alpha is at most 0.99, weaker than 1/255 counts as nothing, and a pixel is
done when less than 1e-4 of the light is left.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.geometry.posed import PosedCamera

Array = NDArray[np.float32]
LOW_PASS = 0.3
ALPHA_FLOOR = 1 / 255
ALPHA_CEILING = 0.99
LIGHT_FLOOR = 1e-4
NEAR = 0.01
REACH = 3.33


@dataclass(frozen=True, slots=True)
class Gaussians:
    """N Gaussians in the world: means (N, 3), quaternions wxyz (N, 4) that need not be unit, standard
    deviations (N, 3), opacities (N,) in (0, 1) and colours (N, 3); all float32. Gradients have this form too.
    """

    means: Array
    rotations: Array
    scales: Array
    opacities: Array
    colors: Array

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Colours (H, W, 3) over black, and alpha (H, W), float32."""

    color: Array
    alpha: Array


class Rasteriser(Protocol):
    """Draws on one device; `name` says which implementation it is."""

    name: str

    def draw(self, gaussians: Gaussians, view: PosedCamera) -> Drawn:
        """What a camera sees; Gaussians nearer than 0.01 are left out."""
        ...

    def gradients(
        self, gaussians: Gaussians, view: PosedCamera, color: Array, alpha: Array
    ) -> tuple[Drawn, Gaussians]:
        """What `draw` gives; and from a loss's gradients by colour (H, W, 3) and alpha (H, W), its others."""
        ...


class RasteriserMissing(RuntimeError):
    """A rasteriser that cannot run here; `code` is stable, the text says what it needs."""

    code = "rasteriser_missing"
