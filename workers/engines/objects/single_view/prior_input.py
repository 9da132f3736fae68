"""What the shape prior sees: the object in the middle of a virtual camera that looks straight at it.

So neither the place of the object in the image nor the image's resolution changes what the network sees.
Every pixel of the virtual camera is a ray of the real one, so that depths go back and forth exactly.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.engines.protocols import Mask, Rgb
from workers.geometry.cameras import Camera

Array = NDArray[np.float64]
# Side of the crop in pixels, and the share of it that the object's longer side spans; the network's own.
SIDE, FILL = 80, 0.92
# Samples of the image along each pixel of the crop at most: finer ones change no mean.
MAX_OVERSAMPLING = 6
# Bound of measured depth, in sizes of the object, beyond which it is no part of the object.
MAX_RELATIVE_DEPTH = 2.0


@dataclass(frozen=True, slots=True)
class PriorCrop:
    """The network's input, and the way back.

    `channels` (6, SIDE, SIDE) float32: RGB in [0, 1] inside the mask, the mask, measured depth relative to
    its median in sizes of the object, and where it is known. `tangent` is that of half the virtual camera's
    field of view, `rotation` (3, 3) maps the real camera's frame to the virtual one's.
    """

    channels: NDArray[np.float32]
    tangent: float
    rotation: Array

    @property
    def extent(self) -> float:
        """The object's longer side in the image at depth 1: its size."""
        return 2 * FILL * self.tangent

    @property
    def mask(self) -> Mask:
        """The crop's mask (SIDE, SIDE)."""
        return np.asarray(self.channels[3] > 0, dtype=np.bool_)

    @property
    def is_measured(self) -> bool:
        """Whether the network sees any measured depth."""
        return bool(self.channels[5].any())

    def project(self, rays: Array) -> Array:
        """Rays (N, 3) of the real camera to pixels (N, 2) of the crop."""
        turned = rays @ self.rotation.T
        return turned[:, :2] / turned[:, 2:] * (SIDE / 2 / self.tangent) + SIDE / 2

    def to_real_depth(self, rays: Array, depth: Array) -> Array:
        """z (N,) for the real camera of points on rays (N, 3) with z = 1, whose virtual z is `depth`."""
        return np.asarray(depth / (rays @ self.rotation[2]))


def build_prior_crop(
    image: Rgb, mask: Mask, camera: Camera, depth: NDArray[np.float32] | None = None
) -> PriorCrop:
    """The crop of a non-empty mask (H, W); `depth` (H, W) is z, NaN or not positive where unknown."""
    rotation, extent = _look_at_mask(mask, camera)
    tangent = extent / (2 * FILL)
    factor = _choose_oversampling(mask, tangent, rotation, camera)
    fine = SIDE * factor
    steps = ((np.arange(fine) + 0.5) / fine * 2 - 1) * tangent
    x, y = np.meshgrid(steps, steps)
    virtual = np.stack([x, y, np.ones_like(x)], axis=-1)
    rays = virtual @ rotation
    pixels = camera.project(rays).astype(np.float32) - np.float32(0.5)
    inside = _shrink(_remap(mask.astype(np.float32), pixels), factor) > 0.5
    rgb = _shrink(_remap(image.astype(np.float32), pixels, border=cv2.BORDER_REPLICATE), factor)
    channels = np.zeros((6, SIDE, SIDE), dtype=np.float32)
    channels[:3] = np.moveaxis(rgb, -1, 0) / 255 * inside
    channels[3] = inside
    if depth is not None:
        usable = mask & np.isfinite(depth) & (depth > 0)
        z = np.where(usable, depth, 0).astype(np.float32)
        known = cv2.remap(usable.astype(np.float32), pixels, None, cv2.INTER_NEAREST)
        # a point at depth z on the ray (x, y, 1) of the real camera, in the virtual one
        turned = cv2.remap(z, pixels, None, cv2.INTER_NEAREST) / rays[..., 2]
        channels[4:] = _normalise_depth(turned.astype(np.float32), known, factor, inside, extent)
    return PriorCrop(channels, tangent, rotation)


def _look_at_mask(mask: Mask, camera: Camera) -> tuple[Array, float]:
    """The smallest rotation (3, 3) that centres the mask, and its longer side at depth 1."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = np.concatenate(outlines)[:, 0].astype(np.float64)
    corners = np.concatenate([corners + offset for offset in ((0, 0), (1, 0), (0, 1), (1, 1))])
    rays = camera.unproject(corners, np.ones(len(corners)))
    rotation = np.eye(3)
    for _ in range(3):
        seen = rays @ rotation.T
        slopes = seen[:, :2] / seen[:, 2:]
        low, high = slopes.min(axis=0), slopes.max(axis=0)
        rotation = turn_to(np.array([*((low + high) / 2), 1.0])) @ rotation
    # turns in steps would add a roll: only where the axis points to counts
    rotation = turn_to(rotation[2])
    seen = rays @ rotation.T
    return rotation, float(np.ptp(seen[:, :2] / seen[:, 2:], axis=0).max())


def turn_to(ray: Array) -> Array:
    """The smallest rotation (3, 3) that brings a ray (3,) to the optical axis."""
    ray = ray / np.linalg.norm(ray)
    axis = np.cross(ray, [0.0, 0.0, 1.0])
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        return np.eye(3)
    return np.asarray(Rotation.from_rotvec(axis / sine * np.arctan2(sine, ray[2])).as_matrix())


def _choose_oversampling(mask: Mask, tangent: float, rotation: Array, camera: Camera) -> int:
    """How many samples along a pixel of the crop are about as fine as the image."""
    fine = 2 * tangent * camera.focal_length / SIDE / max(float(rotation[2, 2]), 0.2)
    return int(np.clip(np.ceil(fine), 1, MAX_OVERSAMPLING))


def _remap(
    values: NDArray[np.float32], pixels: NDArray[np.float32], border: int = cv2.BORDER_CONSTANT
) -> NDArray[np.float32]:
    return np.asarray(cv2.remap(values, pixels, None, cv2.INTER_LINEAR, borderMode=border))


def _shrink(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """The means of squares of `factor` pixels."""
    shape = (SIDE, factor, SIDE, factor, *values.shape[2:])
    return np.asarray(values.reshape(shape).mean(axis=(1, 3)))


def _normalise_depth(
    depth: NDArray[np.float32], known: NDArray[np.float32], factor: int, inside: Mask, extent: float
) -> NDArray[np.float32]:
    """Depth relative to its median in sizes of the object, and where it is known, as (2, SIDE, SIDE)."""
    weight = _shrink(known, factor)
    mean = _shrink(depth * known, factor) / np.maximum(weight, 1e-6)
    valid = (weight > 0) & inside
    if not valid.any():
        return np.zeros((2, SIDE, SIDE), dtype=np.float32)
    median = float(np.median(mean[valid]))
    relative = (mean - median) / (extent * median)
    valid &= np.abs(relative) < MAX_RELATIVE_DEPTH
    return np.stack([np.where(valid, relative, 0), valid]).astype(np.float32)
