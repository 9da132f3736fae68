"""PicoDet (Yu et al. 2021) by ONNX Runtime: boxes of the 80 COCO classes, on the image and on tiles."""

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import product

import cv2
import numpy as np
from maquette.contract.vocabulary import COCO

from workers.engines.concepts.images.config import DetectionConfig
from workers.engines.protocols import Box, Rgb
from workers.engines.weights import open_session
from workers.geometry.boxes import clip_box
from workers.geometry.overlap import box_iou, share_inside

WEIGHTS = "picodet_coco.onnx"
# side in pixels of the square that the network reads, and ImageNet's mean and deviation, on which it was
# trained
INPUT_SIDE = 416
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)

# xyxy pixels, end-exclusive
Tile = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Detection:
    """One box (xyxy pixels, end-exclusive) with its class and score."""

    label: str
    score: float
    box: Box


class PicoDet:
    """The detector; raises the errors of `weights.open_session` when it cannot be loaded."""

    def __init__(self, pool: Executor, config: DetectionConfig | None = None) -> None:
        """`pool` reads several views of an image at once."""
        # a second thread within the small network gained nothing: 37 ms with one, 40 to 49 ms with two
        self._network = open_session(WEIGHTS, threads=1)
        self._pool, self._config = pool, config or DetectionConfig()

    def detect(self, image: Rgb, *, tiles: bool = True) -> list[Detection]:
        """All boxes of an RGB image (H, W, 3) with at least the minimum score, best first.

        A large image is also read in tiles, which finds smaller objects.
        """
        views = [self.whole(image), *(self.list_tiles(image) if tiles else [])]
        return suppress_duplicates(self.detect_in(image, views), self._config)

    @staticmethod
    def whole(image: Rgb) -> Tile:
        """The view of a complete image (H, W, 3)."""
        return (0, 0, image.shape[1], image.shape[0])

    def list_tiles(self, image: Rgb) -> list[Tile]:
        """The 2 x 2 overlapping tiles of an image (H, W, 3), none of a small one."""
        height, width = image.shape[:2]
        if max(height, width) <= self._config.tile_above:
            return []
        tile_h, tile_w = round(height * self._config.tile_share), round(width * self._config.tile_share)
        corners = product((0, height - tile_h), (0, width - tile_w))
        return [(x, y, x + tile_w, y + tile_h) for y, x in corners]

    def detect_in(self, image: Rgb, views: Iterable[Tile]) -> list[Detection]:
        """The boxes of each view of an image (H, W, 3), without those that an inner border cuts."""
        found = self._pool.map(partial(self._run, image), views)
        return [item for items in found for item in items]

    def _run(self, image: Rgb, view: Tile) -> list[Detection]:
        left, top, right, bottom = view
        size, image = image.shape[:2], image[top:bottom, left:right]
        height, width = image.shape[:2]
        small = cv2.resize(
            np.ascontiguousarray(image), (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_CUBIC
        )
        pixels = ((small.astype(np.float32) / 255 - _MEAN) / _STD).transpose(2, 0, 1)[None]
        scale = np.array([[INPUT_SIDE / height, INPUT_SIDE / width]], np.float32)
        rows = self._network.run(None, {"image": pixels, "scale_factor": scale})[0]
        detections: list[Detection] = []
        for kind, score, x0, y0, x1, y1 in rows.astype(np.float64).tolist():
            if score < self._config.min_score or kind < 0 or x1 - x0 < 1 or y1 - y0 < 1:
                continue
            x0, y0, x1, y1 = clip_box((x0, y0, x1, y1), (height, width))
            box = x0 + left, y0 + top, x1 + left, y1 + top
            if not self._is_cut(box, view, size):
                detections.append(Detection(COCO[int(kind)], score, box))
        return detections

    def _is_cut(self, box: Box, tile: Tile, size: tuple[int, int]) -> bool:
        """Whether a box reaches a border of its tile that is not a border of the image (height, width)."""
        slack_x = self._config.tile_border_share * (tile[2] - tile[0])
        slack_y = self._config.tile_border_share * (tile[3] - tile[1])
        return (
            (tile[0] > 0 and box[0] < tile[0] + slack_x)
            or (tile[1] > 0 and box[1] < tile[1] + slack_y)
            or (tile[2] < size[1] and box[2] > tile[2] - slack_x)
            or (tile[3] < size[0] and box[3] > tile[3] - slack_y)
        )


def suppress_duplicates(detections: list[Detection], config: DetectionConfig) -> list[Detection]:
    """The best box of each object and class, best first (greedy non-maximum suppression)."""
    kept: list[Detection] = []
    for item in sorted(detections, key=lambda item: (-item.score, item.box, item.label)):
        rivals = (other for other in kept if other.label == item.label)
        if not any(
            box_iou(other.box, item.box) > config.duplicate_iou
            or share_inside(item.box, other.box) > config.contained_share
            for other in rivals
        ):
            kept.append(item)
    return kept
