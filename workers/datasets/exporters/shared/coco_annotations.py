"""Boxes and masks of an observation as COCO and YouTube-VIS write them."""

from typing import Any

from workers.datasets.schema import ObservationRow


def to_xywh(row: ObservationRow) -> list[float]:
    """The box as left, top, width, height in pixels."""
    return [row.x0, row.y0, row.x1 - row.x0, row.y1 - row.y0]


def to_coco_rle(row: ObservationRow) -> dict[str, Any]:
    """The mask as compressed RLE."""
    return {"size": [row.mask_height, row.mask_width], "counts": row.mask_counts}
