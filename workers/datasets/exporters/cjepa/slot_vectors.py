"""What a slot is made of: 128 numbers measured of an object, or of a part of the background, in one frame."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

WIDTH = 128
# cells of the coarse mask along each side of the window
CELLS = 8
# rows and columns of the coarse colours
COLOR_CELLS = (3, 4)
# side of the window about the centroid of a mask over the square root of its area: a disc takes half of it
WINDOW = 1.6
# share of a cell that a mask has to cover for the colour there to count half
LEAST_COVER = 0.1
# samples of the window along each side; both kinds of cells divide it
SAMPLES = 48
# the fields of a slot with their sizes, in order: 128 numbers in all
FIELDS: dict[str, int] = {
    "seen": 1,
    "background": 1,
    "unseen_for": 1,
    "position": 2,
    "velocity": 2,
    "box": 4,
    "area": 1,
    "color": 3,
    "colors": COLOR_CELLS[0] * COLOR_CELLS[1] * 3,
    "mask": CELLS * CELLS,
    "box_3d_known": 1,
    "center": 3,
    "axes": 6,
    "size": 3,
}
# unknown where `box_3d_known` is 0
FIELDS_3D = ("center", "axes", "size")
Floats = NDArray[np.float32]


def locate_fields() -> dict[str, slice]:
    """Where each field is in the vector."""
    ends = np.cumsum(list(FIELDS.values())).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(FIELDS.items(), ends, strict=True)}


LOCATIONS = locate_fields()


def encode_object(row: ObservationRow, mask: NDArray[np.bool_], image: Floats) -> Floats:
    """The slot of a track in a frame; `mask` (H, W), and `image` (H, W, 3) in [0, 1]. NaN is unknown."""
    box = row.x0, row.y0, row.x1, row.y1
    box_3d: dict[str, Any] = {}
    if row.center_cam is not None and row.rotation_cam is not None and row.size is not None:
        axes = matrix_from_quaternion(row.rotation_cam)[:, :2].T.ravel()
        box_3d = {"box_3d_known": 1, "center": row.center_cam, "axes": axes, "size": row.size}
    return _encode_region(mask, box, image, **box_3d)


def encode_background(covered: NDArray[np.bool_], image: Floats, part: int, parts: int) -> Floats:
    """The slot of one of `parts` vertical strips of the background, from the left.

    `covered` (H, W) is where any object is; where it is all of a strip, the strip is taken as it is.
    """
    height, width = covered.shape
    x0, x1 = round(part * width / parts), round((part + 1) * width / parts)
    strip = np.zeros_like(covered)
    strip[:, x0:x1] = True
    visible = strip & ~covered
    return _encode_region(visible if visible.any() else strip, (x0, 0, x1, height), image, background=1)


def advance(current: Floats, before: Floats | None) -> Floats:
    """The slot with its velocity since the frame before, unknown without one."""
    out, place = current.copy(), LOCATIONS["velocity"]
    out[place] = np.nan if before is None else current[LOCATIONS["position"]] - before[LOCATIONS["position"]]
    return out


def hold(before: Floats) -> Floats:
    """The slot of a track that is not seen: as it was seen last, and for how many frames it has not been."""
    out = before.copy()
    out[LOCATIONS["seen"]] = out[LOCATIONS["velocity"]] = 0
    out[LOCATIONS["unseen_for"]] += 1
    return out


def _encode_region(
    mask: NDArray[np.bool_], box: tuple[float, float, float, float], image: Floats, **values: Any
) -> Floats:
    """The slot of a mask with a box (x0, y0, x1, y1)."""
    height, width = mask.shape
    out = np.zeros(WIDTH, np.float32)
    for name in FIELDS_3D:
        out[LOCATIONS[name]] = np.nan
    # of pixel centres: it moves by less than a pixel, where a box jumps
    centroid = np.argwhere(mask).mean(axis=0)[::-1] + 0.5
    color = image[mask].mean(axis=0)
    shares, pixels = _sample_window(mask, image, centroid, WINDOW * float(np.sqrt(mask.sum())))
    measured: dict[str, Any] = {
        "seen": 1,
        "position": centroid / (width, height),
        "box": np.array(box) / (width, height, width, height),
        "area": mask.mean(),
        "color": color,
        "colors": _average_colors(shares, pixels, color),
        "mask": _average_cells(shares, (CELLS, CELLS)).ravel(),
        **values,
    }
    for name, value in measured.items():
        out[LOCATIONS[name]] = value
    return out


def _sample_window(
    mask: NDArray[np.bool_], image: Floats, center: NDArray[np.float64], side: float
) -> tuple[Floats, Floats]:
    """The mask and the masked image in a square window, (48, 48) and (48, 48, 3); 0 outside the frame."""
    scale = side / SAMPLES
    # of the output to the input, pixel centres at whole numbers as OpenCV has them
    shift = center - side / 2 + scale / 2 - 0.5
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    stacked = np.dstack([mask.astype(np.float32), np.where(mask[..., None], image, np.float32(0))])
    sampled = cv2.warpAffine(
        stacked, matrix, (SAMPLES, SAMPLES), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(sampled[..., 0], np.float32), np.asarray(sampled[..., 1:], np.float32)


def _average_colors(shares: Floats, pixels: Floats, color: Floats) -> Floats:
    """The mean colour of what the mask covers of each cell, row by row; `color` where it covers nothing."""
    covered = _average_cells(shares, COLOR_CELLS)[..., None]
    sums = _average_cells(pixels, COLOR_CELLS)
    # shrunk to the mean colour where little is covered, so that it does not jump when the mask leaves a cell
    return np.asarray((sums + LEAST_COVER * color) / (covered + LEAST_COVER), np.float32).ravel()


def _average_cells(values: Floats, cells: tuple[int, int]) -> Floats:
    """The mean of values (48, 48) or (48, 48, C) in each of so many rows and columns of cells."""
    shape = cells[0], SAMPLES // cells[0], cells[1], SAMPLES // cells[1], *values.shape[2:]
    return np.asarray(values.reshape(shape).mean(axis=(1, 3)), np.float32)
