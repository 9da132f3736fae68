"""Gaussians to the screen and gradients back, compiled by numba.

Imported only where numba is installed (extra `raster`). A camera is an array (6,): fx, fy, cx, cy, width and
height in pixels; its pose is a rotation (3, 3) and a shift (3,) from the world.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,import-untyped,import-not-found,no-untyped-call"

import math

import numba
import numpy as np

from workers.engines.rasterisers.protocol import ALPHA_FLOOR, LOW_PASS, NEAR, REACH

# a mean that projects farther outside than this share of the picture keeps the slope it has there
GUARD = 1.3
CHUNK = 1024


@numba.njit(cache=True, inline="always")
def slopes(place, camera):
    """x / z and y / z of a camera-frame mean (3,), held near the picture, and whether each was held."""
    wide, high = GUARD * camera[4] / (2 * camera[0]), GUARD * camera[5] / (2 * camera[1])
    x, y = place[0] / place[2], place[1] / place[2]
    return min(max(x, -wide), wide), min(max(y, -high), high), abs(x) >= wide, abs(y) >= high


@numba.njit(cache=True, inline="always")
def spread(quaternion, place, turn, camera, rotation, across, turned):
    """Fill the rotation (3, 3) of a quaternion wxyz of any length, and two products with it.

    `across` (3, 3) is the pose's rotation times it, `turned` (2, 3) the projection's Jacobian times that.
    """
    w, x, y, z = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    length = math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / length, x / length, y / length, z / length
    rotation[0, 0], rotation[0, 1], rotation[0, 2] = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
    )
    rotation[1, 0], rotation[1, 1], rotation[1, 2] = (
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
    )
    rotation[2, 0], rotation[2, 1], rotation[2, 2] = (
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )
    for i in range(3):
        for j in range(3):
            total = 0.0
            for k in range(3):
                total += turn[i, k] * rotation[k, j]
            across[i, j] = total
    u, v, _, _ = slopes(place, camera)
    for j in range(3):
        turned[0, j] = camera[0] / place[2] * (across[0, j] - u * across[2, j])
        turned[1, j] = camera[1] / place[2] * (across[1, j] - v * across[2, j])


@numba.njit(cache=True, inline="always")
def placed(mean, turn, shift, out):
    """Fill the camera-frame place (3,) of a mean (3,)."""
    for i in range(3):
        out[i] = turn[i, 0] * mean[0] + turn[i, 1] * mean[1] + turn[i, 2] * mean[2] + shift[i]


@numba.njit(cache=True, parallel=True)
def project(means, quaternions, scales, opacities, turn, shift, camera):
    """Depths (N,), infinite where a Gaussian does not reach the picture; pixel centres (N, 2), inverse
    covariances (N, 3) as xx, xy and yy, and radii in pixels (N,).
    """
    count = len(means)
    depths = np.full(count, np.inf)
    centres, conics, radii = np.empty((count, 2)), np.empty((count, 3)), np.empty(count)
    for chunk in numba.prange((count + CHUNK - 1) // CHUNK):
        rotation, across, turned = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
        place = np.empty(3)
        for k in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            placed(means[k], turn, shift, place)
            if not place[2] > NEAR:
                continue
            spread(quaternions[k], place, turn, camera, rotation, across, turned)
            a, b, c = LOW_PASS, 0.0, LOW_PASS
            for j in range(3):
                first, second = turned[0, j] * scales[k, j], turned[1, j] * scales[k, j]
                a += first * first
                b += first * second
                c += second * second
            determinant = a * c - b * b
            widest = (a + c) / 2 + math.sqrt(max(((a - c) / 2) ** 2 + b * b, 0.0))
            reach = math.sqrt(2 * math.log(max(opacities[k] / ALPHA_FLOOR, 1.0)))
            radius = math.ceil(min(reach, REACH) * math.sqrt(widest))
            x = camera[0] * place[0] / place[2] + camera[2]
            y = camera[1] * place[1] / place[2] + camera[3]
            if not (
                radius > 0
                and x + radius > 0
                and y + radius > 0
                and x - radius < camera[4]
                and y - radius < camera[5]
            ):
                continue
            depths[k], radii[k] = place[2], radius
            centres[k, 0], centres[k, 1] = x, y
            conics[k, 0], conics[k, 1], conics[k, 2] = c / determinant, -b / determinant, a / determinant
    return depths, centres, conics, radii


@numba.njit(cache=True, parallel=True)
def pull_back(means, quaternions, scales, order, conics, found, turn, shift, camera):
    """Gradients by means (M, 3), quaternions (M, 4) and scales (M, 3) of the Gaussians in `order` (M,).

    `found` (M, 5 or more) begins with gradients by centres and by xx, xy (counted once) and yy of the inverse
    covariances `conics` (M, 3).
    """
    count = len(order)
    by_means, by_quaternions, by_scales = np.empty((count, 3)), np.empty((count, 4)), np.empty((count, 3))
    for chunk in numba.prange((count + CHUNK - 1) // CHUNK):
        rotation, across, turned = np.empty((3, 3)), np.empty((3, 3)), np.empty((2, 3))
        place, by_turned, by_rotation = np.empty(3), np.empty((2, 3)), np.empty((3, 3))
        by_place, by_lens, ahead = np.empty(3), np.empty((2, 3)), np.empty((2, 3))
        for m in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            k = order[m]
            placed(means[k], turn, shift, place)
            spread(quaternions[k], place, turn, camera, rotation, across, turned)
            p, q, r = conics[m, 0], conics[m, 1], conics[m, 2]
            s, t, o = found[m, 2], found[m, 3] / 2, found[m, 4]
            # the covariance's gradient is minus the inverse on both sides of the inverse's gradient
            xx = -(p * (s * p + t * q) + q * (t * p + o * q))
            xy = -(p * (s * q + t * r) + q * (t * q + o * r))
            yy = -(q * (s * q + t * r) + r * (t * q + o * r))
            for j in range(3):
                size = scales[k, j]
                first = 2 * size * (xx * turned[0, j] + xy * turned[1, j])
                second = 2 * size * (xy * turned[0, j] + yy * turned[1, j])
                by_scales[m, j] = first * turned[0, j] + second * turned[1, j]
                by_turned[0, j], by_turned[1, j] = first * size, second * size
            u, v, held_x, held_y = slopes(place, camera)
            z = place[2]
            for j in range(3):
                ahead[0, j] = camera[0] / z * (turn[0, j] - u * turn[2, j])
                ahead[1, j] = camera[1] / z * (turn[1, j] - v * turn[2, j])
            for i in range(3):
                for j in range(3):
                    by_rotation[i, j] = ahead[0, i] * by_turned[0, j] + ahead[1, i] * by_turned[1, j]
            for i in range(2):
                for j in range(3):
                    by_lens[i, j] = (
                        by_turned[i, 0] * across[j, 0]
                        + by_turned[i, 1] * across[j, 1]
                        + by_turned[i, 2] * across[j, 2]
                    )
            by_place[0] = found[m, 0] * camera[0] / z
            by_place[1] = found[m, 1] * camera[1] / z
            by_place[2] = -(by_place[0] * place[0] + by_place[1] * place[1]) / z
            by_place[2] -= (by_lens[0, 0] * camera[0] + by_lens[1, 1] * camera[1]) / (z * z)
            for axis in range(2):
                slope, held = (u, held_x) if axis == 0 else (v, held_y)
                by = by_lens[axis, 2] * camera[axis] / (z * z)
                # beyond the limit the slope is held, so that only z moves the entry
                if held:
                    by_place[2] += by * slope
                else:
                    by_place[axis] -= by
                    by_place[2] += 2 * by * slope
            for j in range(3):
                by_means[m, j] = (
                    by_place[0] * turn[0, j] + by_place[1] * turn[1, j] + by_place[2] * turn[2, j]
                )
            by_unit_quaternion(quaternions[k], by_rotation, by_quaternions[m])
    return by_means, by_quaternions, by_scales


@numba.njit(cache=True, inline="always")
def by_unit_quaternion(quaternion, by, out):
    """Fill the gradient (4,) by a quaternion of any length from that by its rotation matrix (3, 3)."""
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
