"""Blending of tiles of 16 x 16 pixels, front to back, and its gradients, back to front, compiled by numba.

Imported only where numba is installed (extra `raster`). `entries` lists, tile after tile, the indices of the
Gaussians that may touch it, nearest first; `starts` (tiles + 1,) are the offsets of the tiles. `cuts` (M,)
are the exponents of the Gaussians beyond which their alpha counts as nothing.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,import-untyped,import-not-found,no-untyped-call"

import math

import numba
import numpy as np

from workers.engines.rasterisers.protocol import ALPHA_CEILING, LIGHT_FLOOR

TILE = 16


@numba.njit(cache=True)
def bin_tiles(centres, radii, across, down):
    """The Gaussians that may touch each tile, nearest first: starts (tiles + 1,) and entries (total,)."""
    counts = np.zeros(across * down + 1, np.int64)
    # The first pass counts, the second fills.
    for filling in range(2):
        if filling == 1:
            for k in range(across * down):
                counts[k + 1] += counts[k]
            entries = np.empty(counts[across * down], np.int32)
            filled = counts.copy()
        for k in range(len(radii)):
            x0 = max(0, math.floor((centres[k, 0] - radii[k]) / TILE))
            x1 = min(across - 1, math.floor((centres[k, 0] + radii[k]) / TILE))
            y0 = max(0, math.floor((centres[k, 1] - radii[k]) / TILE))
            y1 = min(down - 1, math.floor((centres[k, 1] + radii[k]) / TILE))
            for y in range(y0, y1 + 1):
                for x in range(x0, x1 + 1):
                    tile = y * across + x
                    if filling == 0:
                        counts[tile + 1] += 1
                    else:
                        entries[filled[tile]] = k
                        filled[tile] += 1
    return counts, entries


@numba.njit(cache=True, inline="always")
def window(centre, radius, low, high):
    """The range of pixels within [low, high) whose centres may be within a radius; the end is exclusive."""
    first = max(low, int(math.ceil(centre - radius - 0.5)))  # noqa: RUF046
    return first, min(high, int(math.floor(centre + radius - 0.5)) + 1)  # noqa: RUF046


@numba.njit(cache=True, parallel=True, fastmath=True)
def forward(starts, entries, centres, conics, radii, cuts, opacities, colors, width, height):
    """Colours (H, W, 3), transmittance (H, W), and how many entries of its tile each pixel used (H, W)."""
    across = (width + TILE - 1) // TILE
    color = np.zeros((height, width, 3), np.float32)
    light = np.ones((height, width), np.float32)
    used = np.zeros((height, width), np.int32)
    half = np.float32(0.5)
    for tile in numba.prange(len(starts) - 1):
        left, top = (tile % across) * TILE, (tile // across) * TILE
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        # what lies behind a tile of opaque pixels need not be looked at
        translucent = (right - left) * (bottom - top)
        for entry in range(starts[tile], starts[tile + 1]):
            if translucent == 0:
                break
            k = entries[entry]
            x0, x1 = window(centres[k, 0], radii[k], left, right)
            y0, y1 = window(centres[k, 1], radii[k], top, bottom)
            for y in range(y0, y1):
                dy = y + half - centres[k, 1]
                for x in range(x0, x1):
                    dx = x + half - centres[k, 0]
                    power = half * (conics[k, 0] * dx * dx + conics[k, 2] * dy * dy) + conics[k, 1] * dx * dy
                    if power > cuts[k] or light[y, x] < np.float32(LIGHT_FLOOR):
                        continue
                    alpha = min(np.float32(ALPHA_CEILING), opacities[k] * np.float32(math.exp(-power)))
                    weight = alpha * light[y, x]
                    color[y, x, 0] += weight * colors[k, 0]
                    color[y, x, 1] += weight * colors[k, 1]
                    color[y, x, 2] += weight * colors[k, 2]
                    light[y, x] *= np.float32(1) - alpha
                    if light[y, x] < np.float32(LIGHT_FLOOR):
                        translucent -= 1
                    used[y, x] = entry + 1 - starts[tile]
    return color, light, used


@numba.njit(cache=True, parallel=True, fastmath=True)
def backward(
    starts, entries, centres, conics, radii, cuts, opacities, colors, light, used, by_color, by_alpha
):
    """Gradients by every entry (total, 9): its centre 2, conic 3, opacity 1, colour 3."""
    height, width = light.shape
    across = (width + TILE - 1) // TILE
    out = np.zeros((len(entries), 9), np.float32)
    for tile in numba.prange(len(starts) - 1):
        left, top = (tile % across) * TILE, (tile // across) * TILE
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        through = np.ones((TILE, TILE), np.float64)
        # What lies behind the current Gaussian, weighted by the loss's gradients by colour and alpha.
        behind = np.zeros((TILE, TILE), np.float64)
        for y in range(top, bottom):
            for x in range(left, right):
                through[y - top, x - left] = light[y, x]
                behind[y - top, x - left] = -by_alpha[y, x] * light[y, x]
        for entry in range(starts[tile + 1] - 1, starts[tile] - 1, -1):
            k = entries[entry]
            x0, x1 = window(centres[k, 0], radii[k], left, right)
            y0, y1 = window(centres[k, 1], radii[k], top, bottom)
            sums = np.zeros(9, np.float64)
            for y in range(y0, y1):
                dy = y + 0.5 - centres[k, 1]
                for x in range(x0, x1):
                    if entry - starts[tile] >= used[y, x]:
                        continue
                    dx = x + 0.5 - centres[k, 0]
                    power = 0.5 * (conics[k, 0] * dx * dx + conics[k, 2] * dy * dy) + conics[k, 1] * dx * dy
                    if power > cuts[k]:
                        continue
                    falloff = math.exp(-power)
                    alpha = opacities[k] * falloff
                    capped = alpha > ALPHA_CEILING
                    if capped:
                        alpha = ALPHA_CEILING
                    before = through[y - top, x - left] / (1 - alpha)
                    weight = alpha * before
                    through[y - top, x - left] = before
                    red, green, blue = by_color[y, x, 0], by_color[y, x, 1], by_color[y, x, 2]
                    sums[6] += weight * red
                    sums[7] += weight * green
                    sums[8] += weight * blue
                    shade = red * colors[k, 0] + green * colors[k, 1] + blue * colors[k, 2]
                    by = shade * before - behind[y - top, x - left] / (1 - alpha)
                    behind[y - top, x - left] += weight * shade
                    if capped:
                        continue
                    sums[5] += by * falloff
                    by_power = -by * alpha
                    sums[0] -= by_power * (conics[k, 0] * dx + conics[k, 1] * dy)
                    sums[1] -= by_power * (conics[k, 2] * dy + conics[k, 1] * dx)
                    sums[2] += by_power * 0.5 * dx * dx
                    sums[3] += by_power * dx * dy
                    sums[4] += by_power * 0.5 * dy * dy
            out[entry] = sums
    return out


@numba.njit(cache=True)
def sum_entries(entries, per_entry, count):
    """The gradients by each Gaussian (count, 9): the sums over its entries (total, 9)."""
    out = np.zeros((count, 9), np.float64)
    for entry in range(len(entries)):
        for k in range(9):
            out[entries[entry], k] += per_entry[entry, k]
    return out
