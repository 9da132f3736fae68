"""The interface of every rasteriser: it renders Gaussians and back-propagates a loss to them.

A Gaussian projects by the local affine approximation of EWA splatting (Zwicker et al. 2001) as in 3D Gaussian
Splatting (Kerbl et al. 2023, eq. 5). Gaussians blend front to back in the order of their means' depth. The
constants follow the rasteriser of 3DGS, `ALPHA_CEILING`, `NEAR` and `REACH` those of gsplat 1.5.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from workers.geometry.gaussians import Array, Gaussians
from workers.geometry.posed_cameras import PosedCamera

# Square pixels added to every projected covariance, against aliasing.
LOW_PASS = 0.3
# Alpha below this counts as nothing.
ALPHA_FLOOR = 1 / 255
# No Gaussian blocks more light than this, so that gradients reach what lies behind it.
ALPHA_CEILING = 0.999
# A pixel is complete when less than this share of the light is left.
LIGHT_FLOOR = 1e-4
# Gaussians nearer to the camera than this are left out; in the unit of the scene.
NEAR = 0.01
# A Gaussian ends at this many standard deviations, where an opaque one falls below `ALPHA_FLOOR`.
REACH = 3.33


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """What a rendering is to have beyond colours and alpha.

    `anti_aliased` scales opacities so that the low-pass filter adds no light to Gaussians smaller than a
    pixel (Mip-Splatting, Yu et al. 2024, without its 3D filter); `depth` asks for a depth map.
    """

    anti_aliased: bool = False
    depth: bool = False


PLAIN = RenderOptions()


@dataclass(frozen=True, slots=True)
class Rendering:
    """Colours (H, W, 3) over black, and alpha (H, W); float32 in [0, 1], colours of harmonics also above.

    `depth` (H, W) float32, where it was asked for, is the z of the Gaussians' means, weighted as their
    colours are, in the unit of the scene; NaN where alpha is below `ALPHA_FLOOR`.
    """

    color: Array
    alpha: Array
    depth: Array | None = None


@dataclass(frozen=True, slots=True)
class GaussianGradients:
    """The gradients of a loss with respect to each array of `Gaussians`, in the same shapes; float32."""

    means: Array
    rotations: Array
    scales: Array
    opacities: Array
    colors: Array
    harmonics: Array | None = field(default=None)

    def arrays(self) -> dict[str, Array]:
        """The arrays by field name; `harmonics` where the Gaussians have some."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return {name: values for name, values in named.items() if values is not None}


class Rasteriser(Protocol):
    """Renders on one device; `name` identifies the implementation."""

    name: str

    def render(self, gaussians: Gaussians, view: PosedCamera, options: RenderOptions = PLAIN) -> Rendering:
        """What a camera sees of Gaussians in the world; those nearer than `NEAR` are left out."""
        ...

    def backward(
        self, gaussians: Gaussians, view: PosedCamera, by_color: Array, by_alpha: Array
    ) -> tuple[Rendering, GaussianGradients]:
        """What `render` returns, and the gradients of a loss with respect to the Gaussians.

        `by_color` (H, W, 3) and `by_alpha` (H, W) are the loss's gradients with respect to the rendering."""
        ...


def hide_unseen(depth: Array, alpha: Array) -> Array:
    """A depth map (H, W) with NaN where too little of anything is seen."""
    return np.where(alpha < ALPHA_FLOOR, np.nan, depth).astype(np.float32)


class RasteriserMissing(RuntimeError):
    """This rasteriser cannot run here; `code` is stable, the message names what it needs."""

    code = "rasteriser_missing"


class RasteriserBroken(RasteriserMissing):
    """Everything that this rasteriser needs is installed, and a picture cannot be rendered all the same."""
