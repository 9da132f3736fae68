"""Intersection over union (the Jaccard index) of masks and of boxes, and how much of a box another covers."""

import numpy as np

from workers.geometry.boxes import Box, Mask


def mask_iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks of one shape, in [0, 1]; 0 when both are empty."""
    union = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / union if union else 0.0


def box_area(box: Box) -> float:
    """The area of an xyxy box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two xyxy boxes, in [0, 1]; 0 when they only touch."""
    common = _intersect(a, b)
    return common / (box_area(a) + box_area(b) - common) if common > 0 else 0.0


def share_inside(box: Box, other: Box) -> float:
    """The share of an xyxy box that lies inside another one, in [0, 1]; 0 for an empty one."""
    area = box_area(box)
    return _intersect(box, other) / area if area > 0 else 0.0


def box_cover(a: Box, b: Box) -> float:
    """The share of the smaller of two xyxy boxes that lies under the other, in [0, 1]; 0 for an empty one."""
    smaller = min(box_area(a), box_area(b))
    return _intersect(a, b) / smaller if smaller > 0 else 0.0


def _intersect(a: Box, b: Box) -> float:
    """The area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)
