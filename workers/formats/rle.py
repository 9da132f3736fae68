"""Masks as COCO run-length encoding, and as polygons."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco
from skimage.measure import find_contours

from workers.geometry.boxes import mask_extent


class Rle(TypedDict):
    """COCO's compressed RLE: column-major runs; `size` is [height, width]."""

    size: list[int]
    counts: str


class RleError(ValueError):
    """The RLE or polygon cannot be decoded; the message says why."""


def encode_mask(mask: NDArray[np.bool_]) -> Rle:
    """A bool mask (H, W) to RLE; raises ValueError for another shape or type."""
    if mask.ndim != 2 or mask.dtype != np.bool_ or 0 in mask.shape:
        raise ValueError(f"a mask is bool of shape (H, W), got {mask.dtype} {mask.shape}")
    counts = coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": counts.decode("ascii")}


def encode_runs(runs: NDArray[np.int64], size: tuple[int, ...]) -> Rle:
    """Column-major run lengths (N,), zeros first, of a mask of (height, width) to RLE, as `encode_mask` does.

    Raises ValueError when the runs do not fill exactly height x width pixels.
    """
    height, width = size
    if int(runs.sum()) != height * width or (runs < 0).any():
        raise ValueError(f"the runs do not cover {height} x {width} pixels")
    encoded = coco.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)
    return {"size": [int(height), int(width)], "counts": encoded["counts"].decode("ascii")}


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """RLE to a bool mask (H, W); raises RleError when the runs do not fill exactly H x W pixels."""
    height, width = _checked_size(rle.get("size"))
    text = rle.get("counts")
    if not isinstance(text, str) or not text.isascii():
        raise RleError("counts must be an ASCII string of compressed runs")
    # pycocotools writes past its buffer when runs and size disagree.
    if sum(_decode_runs(text)) != height * width:
        raise RleError(f"the runs do not cover {height} x {width} pixels")
    decoded = coco.decode({"size": [height, width], "counts": text.encode("ascii")})
    return np.ascontiguousarray(decoded).astype(np.bool_)


def polygons_to_mask(polygons: Sequence[Sequence[float]], height: int, width: int) -> NDArray[np.bool_]:
    """The union of flat polygons [x0, y0, x1, y1, ...] in pixels; raises RleError for fewer than 3 points."""
    height, width = _checked_size([height, width])
    flat = [[float(value) for value in polygon] for polygon in polygons]
    if not flat or any(len(polygon) < 6 or len(polygon) % 2 for polygon in flat):
        raise RleError("a polygon needs at least 3 points of x and y")
    if not all(np.isfinite(polygon).all() for polygon in flat):
        raise RleError("a polygon holds a coordinate that is not finite")
    bounds = [width, height]
    clipped = [[min(max(v, 0.0), float(bounds[i % 2])) for i, v in enumerate(polygon)] for polygon in flat]
    merged = coco.merge(coco.frPyObjects(clipped, height, width))
    return np.ascontiguousarray(coco.decode(merged)).astype(np.bool_)


def mask_to_polygons(mask: NDArray[np.bool_], tolerance: float = 0.0) -> list[list[float]]:
    """Outer outlines of a bool mask (H, W) as flat polygons in pixels; holes are filled.

    `tolerance` is the largest distance in pixels by which an outline may be simplified.
    """
    # it loads scipy.signal and scipy.stats: half a second of each process that never draws an outline
    from skimage.measure import approximate_polygon

    out: list[list[float]] = []
    if not mask.any():
        return out
    left, top, right, bottom = mask_extent(mask)
    for contour in find_contours(np.pad(mask[top:bottom, left:right], 1).astype(np.float32), 0.5):
        contour += (top, left)
        y, x = contour[:, 0], contour[:, 1]
        # find_contours goes one way round pixels inside and the other way round holes.
        if float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) <= 0:
            continue
        kept = approximate_polygon(contour, tolerance)[:-1] if tolerance > 0 else contour[:-1]
        if len(kept) >= 3:
            # One pixel of padding, and pixel centres at +0.5.
            out.append([float(value) for value in (kept[:, ::-1] - 0.5).reshape(-1)])
    return out


def _checked_size(size: object) -> tuple[int, int]:
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(v) is int for v in size):
        raise RleError("size must be [height, width]")
    height, width = size
    if height < 1 or width < 1:
        raise RleError("size must be positive")
    return int(height), int(width)


def _decode_runs(text: str) -> list[int]:
    """COCO's run lengths: 5 bits per character, as differences to the last but one from the fourth run on."""
    runs: list[int] = []
    position = 0
    while position < len(text):
        value, shift, more = 0, 0, True
        while more:
            if position >= len(text):
                raise RleError("counts end in the middle of a run")
            code = ord(text[position]) - 48
            if not 0 <= code < 64 or shift > 60:
                raise RleError("counts hold a character that is not part of a run")
            value |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            shift += 5
            position += 1
            if not more and code & 0x10:
                value |= -1 << shift
        if len(runs) > 2:
            value += runs[-2]
        if value < 0:
            raise RleError("counts hold a negative run")
        runs.append(value)
    return runs
