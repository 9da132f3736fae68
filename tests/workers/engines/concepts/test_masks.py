"""Clipping and cleaning masks."""

import numpy as np

from workers.engines.concepts.masks import clip_mask, remove_specks
from workers.engines.protocols import Mask
from workers.geometry.boxes import bounding_box


def rectangle(height: int, width: int, box: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros((height, width), np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_masks_are_clipped_with_a_margin() -> None:
    full = np.ones((20, 20), np.bool_)
    assert bounding_box(clip_mask(full, (5, 5, 15, 15), 0.0)) == (5, 5, 15, 15)
    assert bounding_box(clip_mask(full, (5, 5, 15, 15), 0.2)) == (3, 3, 17, 17)


def test_specks_and_pinholes_go_but_prompted_components_and_large_holes_stay() -> None:
    mask = rectangle(100, 100, (10, 10, 70, 70))
    mask[20, 20] = False
    mask[30:50, 30:50] = False
    mask[90:92, 90:92] = True
    cleaned = remove_specks(mask)
    assert cleaned[20, 20] and not cleaned[40, 40] and not cleaned[90:92, 90:92].any()
    assert remove_specks(mask, np.array([[91.0, 91.0]]))[90:92, 90:92].all()
