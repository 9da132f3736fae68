"""Gaussian splats: the one record that readers, engines, rasterisers and writers exchange.

Every value is in plain units. Logarithms, logits and other orders of quaternions exist only inside file
formats (`workers/formats`) and optimisers, which convert where they read and write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.geometry.poses import Similarity, multiply_quaternions
from workers.geometry.spherical_harmonics import COUNTS, find_degree, rotate_harmonics

Array = NDArray[np.float32]
# What `sanitize` accepts by default. Both are chosen so that a logit and a logarithm stay finite in float32.
MIN_SCALE = 1e-7
MAX_OPACITY = 1 - 1e-6
# A float32 quaternion that was normalised once is within this of unit length and is left as it is.
UNIT_TOLERANCE = 1e-6
MIN_QUATERNION_NORM = 1e-8


@dataclass(frozen=True, slots=True)
class Gaussians:
    """N anisotropic 3D Gaussians (Kerbl et al. 2023), float32, in the frame of the mesh they belong to.

    - `means` (N, 3): centres, in the frame's unit of length.
    - `rotations` (N, 4): quaternions wxyz that turn the Gaussian's own axes into the frame. `sanitize` makes
      them unit; rasterisers normalise those that are not.
    - `scales` (N, 3): standard deviations along those axes, in the frame's unit; linear, above 0.
    - `opacities` (N,): alpha at the centre, linear, in (0, 1).
    - `colors` (N, 3): sRGB in [0, 1], the same from every direction (spherical harmonics of degree 0); with
      `harmonics` of any size.
    - `harmonics` (N, K, 3): what the direction of view adds, of degree 1 to 3 (K = 3, 8, 15), in the frame's
      axes (`spherical_harmonics`); None where colours depend on no direction.
    """

    means: Array
    rotations: Array
    scales: Array
    opacities: Array
    colors: Array
    harmonics: Array | None = None

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Gaussians":
        """From arrays by field name; other names are ignored. Raises KeyError for a missing field."""
        return cls(**{name: arrays[name] for name in _FIELDS}, harmonics=arrays.get("harmonics"))

    def arrays(self) -> dict[str, Array]:
        """The arrays by field name, in the order of the fields; `harmonics` where there are any."""
        arrays = {name: getattr(self, name) for name in _FIELDS}
        return arrays if self.harmonics is None else {**arrays, "harmonics": self.harmonics}

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Gaussians":
        """The Gaussians at `rows`: indices (M,) in the order wanted, or a mask (N,)."""
        return Gaussians(*(values[rows] for values in self.arrays().values()))

    @property
    def degree(self) -> int:
        """The degree of the spherical harmonics of the colours, 0 to 3."""
        return 0 if self.harmonics is None else find_degree(self.harmonics.shape[1])

    def __len__(self) -> int:
        return len(self.means)


# the fields that every splat has
_FIELDS = ("means", "rotations", "scales", "opacities", "colors")


def sanitize(
    splat: Gaussians, *, min_scale: float = MIN_SCALE, max_opacity: float = MAX_OPACITY
) -> Gaussians:
    """Drop Gaussians that are not finite or have no rotation; clamp the rest to what formats can hold.

    Opacities go to [1 - max_opacity, max_opacity] (an infinite logit becomes `max_opacity`), scales to at
    least `min_scale`, colours without harmonics to [0, 1]; quaternions further than 1e-6 from unit length are
    normalised.
    """
    opacities = np.clip(splat.opacities.astype(np.float64), 1 - max_opacity, max_opacity)
    norms = np.linalg.norm(splat.rotations.astype(np.float64), axis=1)
    keep = (
        np.isfinite(splat.means).all(1)
        & np.isfinite(splat.scales).all(1)
        & np.isfinite(splat.colors).all(1)
        & (splat.harmonics is None or np.isfinite(splat.harmonics).all((1, 2)))
        & np.isfinite(opacities)
        & np.isfinite(norms)
        & (norms > MIN_QUATERNION_NORM)
    )
    colors, harmonics = splat.colors[keep], splat.harmonics
    if harmonics is None:
        colors = np.clip(colors, 0, 1)
    else:
        harmonics = harmonics[keep].astype(np.float32, copy=False)
    rotations, norms = splat.rotations[keep], norms[keep]
    off = np.abs(norms - 1) > UNIT_TOLERANCE
    rotations = np.where(off[:, None], rotations / norms[:, None], rotations).astype(np.float32)
    return Gaussians(
        means=splat.means[keep].astype(np.float32),
        rotations=rotations,
        scales=np.maximum(splat.scales[keep], min_scale).astype(np.float32),
        opacities=opacities[keep].astype(np.float32),
        colors=colors.astype(np.float32),
        harmonics=harmonics,
    )


def transform(splat: Gaussians, pose: Similarity) -> Gaussians:
    """Move a splat: means, quaternions and scales together, so that it stays with its mesh."""
    rotations = multiply_quaternions(np.asarray(pose.rotation), splat.rotations.astype(np.float64))
    return Gaussians(
        means=pose.apply(splat.means.astype(np.float64)).astype(np.float32),
        rotations=rotations.astype(np.float32),
        scales=(splat.scales * pose.scale).astype(np.float32),
        opacities=splat.opacities,
        colors=splat.colors,
        harmonics=None
        if splat.harmonics is None
        else rotate_harmonics(splat.harmonics, pose.rotation_matrix()),
    )


def concatenate(splats: Sequence[Gaussians]) -> Gaussians:
    """All Gaussians of one or more splats, in order; the highest degree is that of all."""
    columns = {name: np.concatenate([getattr(splat, name) for splat in splats]) for name in _FIELDS}
    degree = max(splat.degree for splat in splats)
    if degree == 0:
        return Gaussians(**columns)
    harmonics = np.zeros((len(columns["means"]), COUNTS[degree], 3), np.float32)
    start = 0
    for splat in splats:
        if splat.harmonics is not None:
            harmonics[start : start + len(splat), : splat.harmonics.shape[1]] = splat.harmonics
        start += len(splat)
    return Gaussians(**columns, harmonics=harmonics)


def drop_harmonics(splat: Gaussians) -> Gaussians:
    """The splat with the colours of degree 0 alone, cut off to [0, 1]."""
    if splat.harmonics is None:
        return splat
    return replace(splat, colors=np.clip(splat.colors, 0, 1), harmonics=None)
