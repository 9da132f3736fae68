"""Bounding boxes, overlaps and borders against values worked out by hand."""

import numpy as np
import pytest

from workers.geometry.borders import box_touches_border, touched_sides, touches_border, truncation_flags
from workers.geometry.boxes import Mask, bounding_box, clip_box, mask_extent
from workers.geometry.overlap import box_iou, mask_iou


def rectangle(height: int, width: int, box: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_bounding_boxes_are_tight_and_end_exclusive() -> None:
    mask = rectangle(20, 30, (4, 5, 9, 7))
    assert bounding_box(mask) == (4.0, 5.0, 9.0, 7.0)
    x0, y0, x1, y1 = mask_extent(mask)
    assert mask[y0:y1, x0:x1].all() and mask[y0:y1, x0:x1].sum() == mask.sum()
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((4, 4), np.bool_))


def test_intersection_over_union() -> None:
    assert box_iou((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert box_iou((0, 0, 4, 4), (4, 0, 6, 4)) == 0.0
    assert mask_iou(rectangle(9, 9, (0, 0, 4, 4)), rectangle(9, 9, (2, 0, 6, 4))) == pytest.approx(8 / 24)
    assert mask_iou(np.zeros((2, 2), np.bool_), np.zeros((2, 2), np.bool_)) == 0.0


def test_boxes_are_clipped_to_the_image_or_refused() -> None:
    assert clip_box((-5, 2, 50, 8), (10, 20)) == (0.0, 2.0, 20.0, 8.0)
    for box in [
        (30.0, 0.0, 40.0, 5.0),
        (5.0, 5.0, 5.0, 9.0),
        (8.0, 0.0, 4.0, 5.0),
        (float("nan"), 0.0, 4.0, 5.0),
    ]:
        with pytest.raises(ValueError, match="box"):
            clip_box(box, (10, 20))


def test_a_mask_touches_the_border_with_one_pixel() -> None:
    assert touches_border(rectangle(10, 10, (3, 3, 10, 6)))
    assert not touches_border(rectangle(10, 10, (1, 1, 9, 9)))
    assert truncation_flags(rectangle(10, 10, (3, 3, 10, 6))) == ("truncated",)
    assert truncation_flags(rectangle(10, 10, (1, 1, 9, 9))) == ()


@pytest.mark.parametrize(
    ("box", "sides"),
    [
        ((0, 3, 2, 5), ["left"]),
        ((3, 0, 12, 2), ["top", "right"]),
        ((3, 3, 5, 10), ["bottom"]),
        ((1, 1, 11, 9), []),
    ],
)
def test_the_sides_that_a_mask_or_its_box_touches(box: tuple[int, int, int, int], sides: list[str]) -> None:
    mask = rectangle(10, 12, box)
    assert touched_sides(mask) == sides
    assert touches_border(mask) == bool(sides) == box_touches_border(bounding_box(mask), (10, 12))
    assert box_touches_border(bounding_box(mask), (10, 12), margin=1)
