"""Projection of Gaussians to the image and of gradients back, compiled by numba.

Imported only where numba is installed (extra `raster`). `intrinsics` (6,) are fx, fy, cx, cy, width and
height in pixels; `rotation` (3, 3) and `translation` (3,) map world to camera coordinates. Names that start
with `by_` are gradients of the loss. numba inlines the small functions, which fill the arrays they are given.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,import-untyped,import-not-found,no-untyped-call"

import math

import numba
import numpy as np

from workers.engines.rasterisers.protocol import ALPHA_FLOOR, LOW_PASS, NEAR, REACH

# Beyond this share of the image, from its centre, the slope of a mean is clamped, as in 3DGS.
GUARD = 1.3
# Gaussians per parallel task.
CHUNK = 1024


@numba.njit(cache=True, inline="always")
def clamped_slopes(point, intrinsics):
    """x / z and y / z of a camera-frame point (3,), clamped near the image, and whether each was clamped."""
    wide = GUARD * intrinsics[4] / (2 * intrinsics[0])
    high = GUARD * intrinsics[5] / (2 * intrinsics[1])
    x, y = point[0] / point[2], point[1] / point[2]
    return min(max(x, -wide), wide), min(max(y, -high), high), abs(x) >= wide, abs(y) >= high


@numba.njit(cache=True, inline="always")
def to_camera(mean, rotation, translation, out):
    """Fill the camera-frame point (3,) of a mean (3,)."""
    for i in range(3):
        out[i] = (
            rotation[i, 0] * mean[0] + rotation[i, 1] * mean[1] + rotation[i, 2] * mean[2] + translation[i]
        )


@numba.njit(cache=True, inline="always")
def fill_rotation(quaternion, out):
    """Fill the rotation matrix (3, 3) of a quaternion wxyz of any length."""
    w, x, y, z = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    length = math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / length, x / length, y / length, z / length
    out[0, 0], out[0, 1], out[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    out[1, 0], out[1, 1], out[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    out[2, 0], out[2, 1], out[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)


@numba.njit(cache=True, inline="always")
def project_axes(quaternion, point, rotation, intrinsics, own_axes, camera_axes, image_axes):
    """Fill a Gaussian's axes: in the world and in the camera (3, 3), and in the image (2, 3).

    Image axes are the projection's Jacobian at the camera-frame `point`, times the camera axes.
    """
    fill_rotation(quaternion, own_axes)
    for i in range(3):
        for j in range(3):
            total = 0.0
            for k in range(3):
                total += rotation[i, k] * own_axes[k, j]
            camera_axes[i, j] = total
    u, v, _, _ = clamped_slopes(point, intrinsics)
    for j in range(3):
        image_axes[0, j] = intrinsics[0] / point[2] * (camera_axes[0, j] - u * camera_axes[2, j])
        image_axes[1, j] = intrinsics[1] / point[2] * (camera_axes[1, j] - v * camera_axes[2, j])


@numba.njit(cache=True, parallel=True)
def project(means, quaternions, scales, opacities, rotation, translation, intrinsics):
    """Depths (N,), infinite where a Gaussian does not reach the image; pixel centres (N, 2), inverse
    covariances (N, 3) as xx, xy and yy, and radii in pixels (N,).
    """
    count = len(means)
    depths = np.full(count, np.inf)
    centres, conics, radii = np.empty((count, 2)), np.empty((count, 3)), np.empty(count)
    for chunk in numba.prange((count + CHUNK - 1) // CHUNK):
        own_axes, camera_axes, image_axes = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
        point = np.empty(3)
        for n in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            to_camera(means[n], rotation, translation, point)
            if not point[2] > NEAR:
                continue
            project_axes(quaternions[n], point, rotation, intrinsics, own_axes, camera_axes, image_axes)
            a, b, c = LOW_PASS, 0.0, LOW_PASS
            for j in range(3):
                first, second = image_axes[0, j] * scales[n, j], image_axes[1, j] * scales[n, j]
                a += first * first
                b += first * second
                c += second * second
            determinant = a * c - b * b
            widest = (a + c) / 2 + math.sqrt(max(((a - c) / 2) ** 2 + b * b, 0.0))
            reach = math.sqrt(2 * math.log(max(opacities[n] / ALPHA_FLOOR, 1.0)))
            radius = math.ceil(min(reach, REACH) * math.sqrt(widest))
            x = intrinsics[0] * point[0] / point[2] + intrinsics[2]
            y = intrinsics[1] * point[1] / point[2] + intrinsics[3]
            if not (
                radius > 0
                and x + radius > 0
                and y + radius > 0
                and x - radius < intrinsics[4]
                and y - radius < intrinsics[5]
            ):
                continue
            depths[n], radii[n] = point[2], radius
            centres[n, 0], centres[n, 1] = x, y
            conics[n, 0], conics[n, 1], conics[n, 2] = c / determinant, -b / determinant, a / determinant
    return depths, centres, conics, radii


@numba.njit(cache=True, parallel=True)
def pull_back(means, quaternions, scales, order, conics, by_projected, rotation, translation, intrinsics):
    """Gradients by means (M, 3), quaternions (M, 4) and scales (M, 3) of the Gaussians in `order` (M,).

    `by_projected` (M, 5 or more) starts with gradients by the pixel centres and by xx, xy (counted once) and
    yy of the inverse covariances `conics` (M, 3).
    """
    count = len(order)
    by_means, by_quaternions, by_scales = np.empty((count, 3)), np.empty((count, 4)), np.empty((count, 3))
    for chunk in numba.prange((count + CHUNK - 1) // CHUNK):
        own_axes, camera_axes, image_axes = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
        point, by_point = np.empty(3), np.empty(3)
        by_image_axes, by_own_axes, by_jacobian = np.empty((2, 3)), np.empty((3, 3)), np.empty((2, 3))
        for m in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            n = order[m]
            to_camera(means[n], rotation, translation, point)
            project_axes(quaternions[n], point, rotation, intrinsics, own_axes, camera_axes, image_axes)
            by_covariance = covariance_gradient(conics[m], by_projected[m])
            scale_gradients(by_covariance, scales[n], image_axes, by_scales[m], by_image_axes)
            axes_gradients(by_image_axes, camera_axes, point, rotation, intrinsics, by_own_axes, by_jacobian)
            point_gradient(by_projected[m], by_jacobian, point, intrinsics, by_point)
            for j in range(3):
                by_means[m, j] = (
                    by_point[0] * rotation[0, j] + by_point[1] * rotation[1, j] + by_point[2] * rotation[2, j]
                )
            quaternion_gradient(quaternions[n], by_own_axes, by_quaternions[m])
    return by_means, by_quaternions, by_scales


@numba.njit(cache=True, inline="always")
def covariance_gradient(conic, by_projected):
    """Gradients by xx, xy and yy of a covariance: minus the inverse on both sides of its own gradient."""
    p, q, r = conic[0], conic[1], conic[2]
    s, t, o = by_projected[2], by_projected[3] / 2, by_projected[4]
    xx = -(p * (s * p + t * q) + q * (t * p + o * q))
    xy = -(p * (s * q + t * r) + q * (t * q + o * r))
    yy = -(q * (s * q + t * r) + r * (t * q + o * r))
    return xx, xy, yy


@numba.njit(cache=True, inline="always")
def scale_gradients(by_covariance, scale, image_axes, by_scale, by_image_axes):
    """Fill the gradients by a scale (3,) and by the image axes (2, 3)."""
    xx, xy, yy = by_covariance
    for j in range(3):
        first = 2 * scale[j] * (xx * image_axes[0, j] + xy * image_axes[1, j])
        second = 2 * scale[j] * (xy * image_axes[0, j] + yy * image_axes[1, j])
        by_scale[j] = first * image_axes[0, j] + second * image_axes[1, j]
        by_image_axes[0, j], by_image_axes[1, j] = first * scale[j], second * scale[j]


@numba.njit(cache=True, inline="always")
def axes_gradients(by_image_axes, camera_axes, point, rotation, intrinsics, by_own_axes, by_jacobian):
    """Fill the gradients by a Gaussian's own axes (3, 3) and by the projection's Jacobian (2, 3)."""
    u, v, _, _ = clamped_slopes(point, intrinsics)
    for i in range(3):
        across = intrinsics[0] / point[2] * (rotation[0, i] - u * rotation[2, i])
        down = intrinsics[1] / point[2] * (rotation[1, i] - v * rotation[2, i])
        for j in range(3):
            by_own_axes[i, j] = across * by_image_axes[0, j] + down * by_image_axes[1, j]
    for i in range(2):
        for j in range(3):
            by_jacobian[i, j] = (
                by_image_axes[i, 0] * camera_axes[j, 0]
                + by_image_axes[i, 1] * camera_axes[j, 1]
                + by_image_axes[i, 2] * camera_axes[j, 2]
            )


@numba.njit(cache=True, inline="always")
def point_gradient(by_projected, by_jacobian, point, intrinsics, by_point):
    """Fill the gradient by a camera-frame point (3,), through its pixel and through the Jacobian."""
    u, v, clamped_x, clamped_y = clamped_slopes(point, intrinsics)
    z = point[2]
    by_point[0] = by_projected[0] * intrinsics[0] / z
    by_point[1] = by_projected[1] * intrinsics[1] / z
    by_point[2] = -(by_point[0] * point[0] + by_point[1] * point[1]) / z
    by_point[2] -= (by_jacobian[0, 0] * intrinsics[0] + by_jacobian[1, 1] * intrinsics[1]) / (z * z)
    for axis in range(2):
        slope, clamped = (u, clamped_x) if axis == 0 else (v, clamped_y)
        by = by_jacobian[axis, 2] * intrinsics[axis] / (z * z)
        # A clamped slope is constant, so that only z changes the entry.
        if clamped:
            by_point[2] += by * slope
        else:
            by_point[axis] -= by
            by_point[2] += 2 * by * slope


@numba.njit(cache=True, inline="always")
def quaternion_gradient(quaternion, by, out):
    """Fill the gradient (4,) by a quaternion of any length, from that by its rotation matrix (3, 3)."""
    w, x, y, z = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    length = math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / length, x / length, y / length, z / length
    yz, zx, xy = by[2, 1] - by[1, 2], by[0, 2] - by[2, 0], by[1, 0] - by[0, 1]
    with_xy, with_zx, with_yz = by[0, 1] + by[1, 0], by[0, 2] + by[2, 0], by[1, 2] + by[2, 1]
    by_w = 2 * (x * yz + y * zx + z * xy)
    by_x = 2 * (y * with_xy + z * with_zx + w * yz - 2 * x * (by[1, 1] + by[2, 2]))
    by_y = 2 * (x * with_xy + z * with_yz + w * zx - 2 * y * (by[0, 0] + by[2, 2]))
    by_z = 2 * (x * with_zx + y * with_yz + w * xy - 2 * z * (by[0, 0] + by[1, 1]))
    along = by_w * w + by_x * x + by_y * y + by_z * z
    out[0], out[1] = (by_w - along * w) / length, (by_x - along * x) / length
    out[2], out[3] = (by_y - along * y) / length, (by_z - along * z) / length
