"""Gaussian splats in plain units, before any format's encoding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.geometry.poses import Similarity, quaternions_multiply

# No format is read beyond this, so that a header cannot ask for more memory than a real object needs.
MAX_GAUSSIANS = 5_000_000


@dataclass(frozen=True, slots=True)
class Splat:
    """N Gaussians, float32 throughout, in the frame of the mesh they belong to.

    Means (N, 3), unit quaternions wxyz (N, 4), standard deviations (N, 3), opacities in (0, 1) of shape
    (N,), and sRGB colours in [0, 1] of shape (N, 3).
    """

    means: NDArray[np.float32]
    rotations: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    colors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.means)


def sanitize(splat: Splat, *, min_scale: float = 1e-7, max_opacity: float = 1 - 1e-6) -> Splat:
    """Drop Gaussians that are not finite or have no rotation; clamp the rest to what formats can hold.

    Opacities go to [1 - max_opacity, max_opacity] (an infinite logit becomes `max_opacity`), scales to at
    least `min_scale`, colours to [0, 1]; quaternions further than 1e-6 from unit length are normalised.
    """
    opacities = np.clip(splat.opacities.astype(np.float64), 1 - max_opacity, max_opacity)
    norms = np.linalg.norm(splat.rotations.astype(np.float64), axis=1)
    keep = (
        np.isfinite(splat.means).all(1)
        & np.isfinite(splat.scales).all(1)
        & np.isfinite(splat.colors).all(1)
        & np.isfinite(opacities)
        & np.isfinite(norms)
        & (norms > 1e-8)
    )
    rotations, norms = splat.rotations[keep], norms[keep]
    off = np.abs(norms - 1) > 1e-6
    rotations = np.where(off[:, None], rotations / norms[:, None], rotations).astype(np.float32)
    return Splat(
        means=splat.means[keep].astype(np.float32),
        rotations=rotations,
        scales=np.maximum(splat.scales[keep], min_scale).astype(np.float32),
        opacities=opacities[keep].astype(np.float32),
        colors=np.clip(splat.colors[keep], 0, 1).astype(np.float32),
    )


def transform(splat: Splat, pose: Similarity) -> Splat:
    """Move a splat: means, quaternions and scales together, so that it stays with its mesh."""
    turned = quaternions_multiply(np.asarray(pose.rotation), splat.rotations.astype(np.float64))
    return Splat(
        means=pose.apply(splat.means.astype(np.float64)).astype(np.float32),
        rotations=turned.astype(np.float32),
        scales=(splat.scales * pose.scale).astype(np.float32),
        opacities=splat.opacities,
        colors=splat.colors,
    )


def joined(splats: Sequence[Splat]) -> Splat:
    """All Gaussians of at least one splat in one, in order."""
    return Splat(*(np.concatenate([getattr(splat, field) for splat in splats]) for field in Splat.__slots__))
