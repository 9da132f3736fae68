"""Legs in a mask: thin bars that hang below its body."""

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTHS = (0.08, 0.12, 0.16, 0.2, 0.25)
LEAST_LEG, LEAST_LEGS = 0.06, 2


def without_legs(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The mask less the thin bars that hang below its body; None where there are fewer than two."""
    side = max(mask.shape)
    best = (0, np.zeros_like(mask))
    for share in WIDTHS:
        line = np.ones((1, max(3, round(share * side))), np.uint8)
        opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, line)
        thin = (mask & (opened == 0)).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(thin, connectivity=4)
        legs = [k for k in range(1, count) if _hangs(mask, labels == k, stats[k], share * side, side)]
        if len(legs) >= LEAST_LEGS:
            found = np.isin(labels, legs)
            best = max(best, (int(found.sum()), found), key=lambda pair: pair[0])
    if not best[0]:
        return None
    body = (mask & ~best[1]).astype(np.uint8)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(body, connectivity=4)
    kept = np.asarray(parts == 1 + int(sizes[1:, cv2.CC_STAT_AREA].argmax()))
    below = np.flatnonzero(mask.any(axis=1))[-1] - np.flatnonzero(kept.any(axis=1))[-1]
    return kept if below >= LEAST_LEG * side else None


def _hangs(
    mask: NDArray[np.bool_], part: NDArray[np.bool_], stats: NDArray[np.int32], widest: float, side: int
) -> bool:
    """Whether a thin part is longer than wide, with body above it and nothing below."""
    x, y, width, height = (int(v) for v in stats[:4])
    if height < max(LEAST_LEG * side, 1.2 * min(width, int(part.sum() / height))) or width > 2 * widest:
        return False
    top, bottom = part[y], part[y + height - 1]
    above = mask[y - 1, x : x + width][top[x : x + width]] if y else np.zeros(1, np.bool_)
    columns = np.flatnonzero(bottom)
    below = mask[y + height :, columns]
    return bool(above.any() and not below.any())
