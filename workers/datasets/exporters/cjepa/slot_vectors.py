"""The 128 numbers of a slot: what was measured of an object, or of the background, in one frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

WIDTH = 128
# cells of the coarse mask along each side of the box
CELLS = 8
# the fields of a slot with their sizes, in order; the numbers after them are 0
FIELDS: dict[str, int] = {
    "seen": 1,
    "background": 1,
    "box": 4,
    "area": 1,
    "color": 3,
    "mask": CELLS * CELLS,
    "box_3d_known": 1,
    "center": 3,
    "axes": 6,
    "size": 3,
}
Floats = NDArray[np.float32]


def locate_fields() -> dict[str, list[int]]:
    """The first and the end index of each field."""
    ends = np.cumsum(list(FIELDS.values())).tolist()
    return {name: [end - size, end] for (name, size), end in zip(FIELDS.items(), ends, strict=True)}


def encode_object(row: ObservationRow, mask: NDArray[np.bool_], image: Floats) -> Floats:
    """The slot of a track in a frame; `mask` (H, W), and `image` (H, W, 3) in [0, 1]."""
    height, width = mask.shape
    x0, y0, x1, y1 = int(row.x0), int(row.y0), int(row.x1), int(row.y1)
    box_3d: dict[str, Any] = {}
    if row.center_cam is not None and row.rotation_cam is not None and row.size is not None:
        axes = matrix_from_quaternion(row.rotation_cam)[:, :2].T.ravel()
        box_3d = {"box_3d_known": [1.0], "center": row.center_cam, "axes": axes, "size": row.size}
    return _pack(
        seen=[1.0],
        box=np.array([row.x0, row.y0, row.x1, row.y1]) / (width, height, width, height),
        area=[row.area / (width * height)],
        color=image[mask].mean(axis=0),
        mask=_average_cells(mask[y0:y1, x0:x1]),
        **box_3d,
    )


def encode_background(covered: NDArray[np.bool_], image: Floats) -> Floats:
    """The slot of the background of a frame; `covered` (H, W) is where any object is."""
    pixels = image[~covered] if not covered.all() else image.reshape(-1, 3)
    return _pack(
        seen=[1.0],
        background=[1.0],
        box=[0.0, 0.0, 1.0, 1.0],
        area=[float(1 - covered.mean())],
        color=pixels.mean(axis=0),
        mask=_average_cells(~covered),
    )


def _average_cells(mask: NDArray[np.bool_]) -> Floats:
    """The share of each of 8 x 8 cells that a mask covers, row by row."""
    # every pixel is divided into 8 x 8, so that a cell of any size is made of complete parts
    fine = mask.repeat(CELLS, axis=0).repeat(CELLS, axis=1).astype(np.float32)
    height, width = mask.shape
    return np.asarray(fine.reshape(CELLS, height, CELLS, width).mean(axis=(1, 3)).ravel(), np.float32)


def _pack(**values: Any) -> Floats:
    out = np.zeros(WIDTH, np.float32)
    locations = locate_fields()
    for name, value in values.items():
        first, end = locations[name]
        out[first:end] = value
    return out
