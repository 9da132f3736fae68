"""PicoDet by ONNX Runtime: an image to boxes of the 80 COCO classes, large and small."""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from maquette.contract.vocabulary import COCO

from workers.engines.protocols import Box, Rgb
from workers.engines.weights import open_session
from workers.geometry.boxes import clip_box
from workers.geometry.overlap import box_iou

WEIGHTS = "picodet_coco.onnx"
SIDE = 416
FLOOR = 0.2
# a tile must be seen at a finer scale than the whole image to be worth its time
TILE_ABOVE = 640
TILE_SHARE = 0.6
SAME_OBJECT = 0.55
# two thirds of a box inside a better one of its class: a part that a tile has cut
PART_OF = 0.7
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True)
class Detection:
    """One box (xyxy pixels, end-exclusive) with its class and score."""

    label: str
    score: float
    box: Box


class PicoDet:
    """The detector; raises the errors of `weights.open_session` when it cannot be loaded."""

    def __init__(self, threads: int = 2) -> None:
        self._network = open_session(WEIGHTS, threads)

    def detect(self, image: Rgb, *, tiles: bool = True) -> list[Detection]:
        """All boxes scored at least 0.2, best first.

        An RGB image (H, W, 3) whose longest side is above 640 is also read in 2 x 2 overlapping tiles, which
        finds smaller things; a box that an inner border of a tile has cut is left out.
        """
        height, width = image.shape[:2]
        found = self._run(image, 0, 0)
        if tiles and max(height, width) > TILE_ABOVE:
            tile_h, tile_w = round(height * TILE_SHARE), round(width * TILE_SHARE)
            for y, x in product((0, height - tile_h), (0, width - tile_w)):
                part = self._run(image[y : y + tile_h, x : x + tile_w], x, y)
                extent = (x, y, x + tile_w, y + tile_h)
                found += [item for item in part if not _cut(item.box, extent, (height, width))]
        return suppress(found)

    def _run(self, image: Rgb, left: int, top: int) -> list[Detection]:
        height, width = image.shape[:2]
        small = cv2.resize(np.ascontiguousarray(image), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        pixels = ((small.astype(np.float32) / 255 - _MEAN) / _STD).transpose(2, 0, 1)[None]
        scale = np.array([[SIDE / height, SIDE / width]], np.float32)
        rows = self._network.run(None, {"image": pixels, "scale_factor": scale})[0]
        found: list[Detection] = []
        for kind, score, x0, y0, x1, y1 in rows.astype(np.float64).tolist():
            if score < FLOOR or kind < 0 or x1 - x0 < 1 or y1 - y0 < 1:
                continue
            x0, y0, x1, y1 = clip_box((x0, y0, x1, y1), (height, width))
            found.append(Detection(COCO[int(kind)], score, (x0 + left, y0 + top, x1 + left, y1 + top)))
        return found


def suppress(found: list[Detection]) -> list[Detection]:
    """Of boxes of one class that show one object, keep the best; best first."""
    kept: list[Detection] = []
    for item in sorted(found, key=lambda item: (-item.score, item.box, item.label)):
        rivals = (other for other in kept if other.label == item.label)
        if not any(
            box_iou(other.box, item.box) > SAME_OBJECT or _inside(item.box, other.box) > PART_OF
            for other in rivals
        ):
            kept.append(item)
    return kept


def _inside(box: Box, other: Box) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0.0) * max(height, 0.0) / area


def _cut(box: Box, tile: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    slack_x, slack_y = 0.02 * (tile[2] - tile[0]), 0.02 * (tile[3] - tile[1])
    return (
        (tile[0] > 0 and box[0] < tile[0] + slack_x)
        or (tile[1] > 0 and box[1] < tile[1] + slack_y)
        or (tile[2] < size[1] and box[2] > tile[2] - slack_x)
        or (tile[3] < size[0] and box[3] > tile[3] - slack_y)
    )
