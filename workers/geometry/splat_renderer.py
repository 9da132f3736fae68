"""A renderer of Gaussian splats in NumPy: depth-sorted alpha compositing of projected Gaussians.

The projection is EWA splatting as in 3D Gaussian Splatting (Kerbl et al. 2023, eq. 5), cut off at three
standard deviations. It is for thumbnails; measurements and training use `workers/engines/rasterisers`.
"""

import numpy as np
from numpy.typing import NDArray

from workers.geometry.batches import split_batches
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.poses import Similarity, matrix_from_quaternion
from workers.geometry.spherical_harmonics import view_colors

# Square pixels added to every projected covariance, as in 3DGS.
LOW_PASS = 0.3
# The largest footprint in pixels, and the pixel pairs that are composited at once; both bound memory.
MAX_RADIUS = 64
CHUNK = 1_000_000
# Alpha below this is ignored; no Gaussian covers more than the ceiling.
ALPHA_FLOOR = 1 / 255
ALPHA_CEILING = 0.999
# Gaussians nearer than this, in the splat's unit, are left out.
NEAR = 1e-3


def render_splat(
    splat: Gaussians,
    camera: Camera,
    cam_from_splat: Similarity,
    *,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> NDArray[np.uint8]:
    """Render a splat as RGB uint8 (H, W, 3); Gaussians behind the camera are left out."""
    eye = cam_from_splat.inverse().apply(np.zeros((1, 3)))[0]
    colors = view_colors(splat.colors, splat.harmonics, splat.means, eye)
    means = cam_from_splat.apply(splat.means.astype(np.float64))
    order = np.argsort(means[:, 2], kind="stable")
    order = order[means[order, 2] > NEAR * max(cam_from_splat.scale, 1e-9)]
    means = means[order]
    covariance = _screen_covariance(splat, order, means, camera, cam_from_splat)
    determinant = covariance[:, 0] * covariance[:, 2] - covariance[:, 1] ** 2
    conic = covariance[:, [2, 1, 0]] / determinant[:, None] * np.array([1.0, -1.0, 1.0])
    radius = np.minimum(np.ceil(3 * np.sqrt(covariance[:, [0, 2]].max(axis=1))), MAX_RADIUS).astype(np.int64)
    centers = camera.project(means)
    color = np.zeros((camera.height * camera.width, 3))
    light = np.ones(camera.height * camera.width)
    for batch in split_batches((2 * radius + 1) ** 2, CHUNK):
        pixel, owner = _footprints(centers[batch], radius[batch], camera)
        dx = pixel % camera.width + 0.5 - centers[batch][owner, 0]
        dy = pixel // camera.width + 0.5 - centers[batch][owner, 1]
        a, b, c = conic[batch][owner].T
        alpha = splat.opacities[order[batch]][owner] * np.exp(
            -0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy)
        )
        strong = np.flatnonzero(alpha > ALPHA_FLOOR)
        _composite(color, light, pixel[strong], alpha[strong], colors[order[batch]][owner[strong]])
    image = color + light[:, None] * np.asarray(background)
    pixels: NDArray[np.uint8] = np.clip(np.round(image * 255), 0, 255).astype(np.uint8)
    return pixels.reshape(camera.height, camera.width, 3)


def _screen_covariance(
    splat: Gaussians,
    order: NDArray[np.int64],
    means: NDArray[np.float64],
    camera: Camera,
    pose: Similarity,
) -> NDArray[np.float64]:
    """The 2D covariances (N, 3) as xx, xy, yy in square pixels."""
    axes = pose.rotation_matrix() @ matrix_from_quaternion(splat.rotations[order])
    factor = axes * (splat.scales[order].astype(np.float64) * pose.scale)[:, None, :]
    depth = means[:, 2]
    jacobian = np.zeros((len(means), 2, 3))
    jacobian[:, 0, 0] = camera.fx / depth
    jacobian[:, 1, 1] = camera.fy / depth
    jacobian[:, 0, 2] = -camera.fx * means[:, 0] / depth**2
    jacobian[:, 1, 2] = -camera.fy * means[:, 1] / depth**2
    projected = jacobian @ factor
    full = projected @ projected.transpose(0, 2, 1)
    return np.stack([full[:, 0, 0] + LOW_PASS, full[:, 0, 1], full[:, 1, 1] + LOW_PASS], axis=1)


def _footprints(
    centers: NDArray[np.float64], radius: NDArray[np.int64], camera: Camera
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All (pixel, Gaussian) pairs within the radius and the image, in the order of the Gaussians."""
    side = 2 * radius + 1
    count = side * side
    owner = np.repeat(np.arange(len(radius)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    corner = np.floor(np.clip(centers, -1e6, 1e6)).astype(np.int64) - radius[:, None]
    x = corner[owner, 0] + within % side[owner]
    y = corner[owner, 1] + within // side[owner]
    visible = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    return (y * camera.width + x)[visible], owner[visible]


def _composite(
    color: NDArray[np.float64],
    light: NDArray[np.float64],
    pixel: NDArray[np.int64],
    alpha: NDArray[np.float64],
    tint: NDArray[np.float32],
) -> None:
    """Blend fragments front to back, in place; transmittance is a cumulative product within each pixel."""
    if not len(pixel):
        return
    order = np.argsort(pixel, kind="stable")
    pixel, alpha, tint = pixel[order], np.minimum(alpha[order], ALPHA_CEILING), tint[order]
    first = np.flatnonzero(np.concatenate([[True], pixel[1:] != pixel[:-1]]))
    run = np.cumsum(np.log1p(-alpha))
    start = np.repeat(run[first] - np.log1p(-alpha[first]), np.diff(np.append(first, len(pixel))))
    through = np.exp(run - start)
    weight = light[pixel] * through / (1 - alpha) * alpha
    for channel in range(3):
        color[:, channel] += np.bincount(pixel, weight * tint[:, channel], minlength=len(light))
    last = np.append(first[1:], len(pixel)) - 1
    light[pixel[last]] *= through[last]
