"""A rasteriser of two-sided depth: for every pixel the nearest and the farthest surface on its ray."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TwoSided:
    """`front` and `back` (S, S) are z, inf and -inf where nothing is; `face` (S, S) is the nearest, or -1.

    `weights` (S, S, 3) are perspective-correct barycentric weights in the nearest face.
    """

    front: Array
    back: Array
    face: NDArray[np.int64]
    weights: Array


def rasterize_two_sided(vertices: Array, faces: NDArray[np.int64], focal: float, side: int) -> TwoSided:
    """Draw vertices (V, 3) in the frame of a camera whose principal point is the centre of `side` pixels."""
    pixels = vertices[:, :2] / vertices[:, 2:] * focal + side / 2
    out = TwoSided(
        np.full((side, side), np.inf),
        np.full((side, side), -np.inf),
        np.full((side, side), -1, dtype=np.int64),
        np.zeros((side, side, 3)),
    )
    _fill(pixels, 1 / vertices[:, 2], faces, out.front, out.back, out.face, out.weights)
    return out


@numba.njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _fill(
    pixels: Array,
    inverse: Array,
    faces: NDArray[np.int64],
    front: Array,
    back: Array,
    face: NDArray[np.int64],
    weights: Array,
) -> None:
    side = front.shape[0]
    for index in range(len(faces)):
        a, b, c = faces[index]
        ax, ay, bx, by, cx, cy = (
            pixels[a, 0],
            pixels[a, 1],
            pixels[b, 0],
            pixels[b, 1],
            pixels[c, 0],
            pixels[c, 1],
        )
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        left = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        right = min(side - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        bottom = min(side - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                w = 1 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                u, v, w = u * inverse[a], v * inverse[b], w * inverse[c]
                z = 1 / (u + v + w)
                back[y, x] = max(back[y, x], z)
                if z < front[y, x]:
                    front[y, x] = z
                    face[y, x] = index
                    weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = u * z, v * z, w * z
