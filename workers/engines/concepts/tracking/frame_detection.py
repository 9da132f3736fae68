"""Detection on the frames of a video: the complete frame, and as many of its tiles as it takes.

All tiles of the first frame are read. Later, a tile is read where a track of a phrase would otherwise stay
unconfirmed, and one in turn, so that small new objects are found within four detections.
"""

from collections.abc import Mapping, Sequence

from workers.engines.concepts.images.config import DetectionConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.picodet import Detection, PicoDet, Tile, suppress_duplicates
from workers.engines.concepts.tracking.association import match_detections
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Box, Rgb
from workers.geometry.boxes import bounding_box, contains_box


class FrameDetector:
    """Finds the classes of a video's phrases; `classes` maps a prompt's index to its labels."""

    def __init__(
        self,
        detector: PicoDet,
        classes: Mapping[int, Sequence[str]],
        min_score: float,
        config: TrackerConfig,
        detection: DetectionConfig,
    ) -> None:
        self._detector, self._classes, self._min_score = detector, classes, min_score
        self._config, self._detection = config, detection
        self._labels = {label for labels in classes.values() for label in labels}

    def detect(
        self, image: EmbeddedImage, number: int, tracks: Sequence[Track], shape: tuple[int, int]
    ) -> list[Detection]:
        """The detections in working pixels of a frame (h, w), computed once.

        `number` counts the frames from 0, `tracks` are those in sight.
        """
        if not self._classes:
            return []
        sx, sy = shape[1] / image.size[1], shape[0] / image.size[0]
        if image.detections is None:
            image.detections = self._read(image.image, number, tracks, (sx, sy))
        return self._select(image.detections, sx, sy)

    def _read(
        self, image: Rgb, number: int, tracks: Sequence[Track], scale: tuple[float, float]
    ) -> list[Detection]:
        """The detections in a frame (H, W, 3) and its tiles; `scale` (x, y) leads to working pixels."""
        sx, sy = scale
        detector, tiles = self._detector, self._detector.list_tiles(image)
        turn = number // self._config.key_frames.interval % max(len(tiles), 1)
        first = tiles if number == 0 else tiles[turn : turn + 1]
        found = detector.detect_in(image, [detector.whole(image), *first])
        unconfirmed = self._list_unconfirmed(tracks, self._select(found, sx, sy))
        boxes = [(box[0] / sx, box[1] / sy, box[2] / sx, box[3] / sy) for box in unconfirmed]
        found += detector.detect_in(image, _list_unread(tiles, first, boxes))
        return suppress_duplicates(found, self._detection)

    def _list_unconfirmed(self, tracks: Sequence[Track], found: Sequence[Detection]) -> list[Box]:
        """The boxes of tracks of a phrase that no detection matches."""
        named = [track for track in tracks if track.label is not None]
        matches = match_detections(named, found, self._classes, self._config.association)
        return [bounding_box(track.visible_mask) for index, track in enumerate(named) if index not in matches]

    def _select(self, found: Sequence[Detection], sx: float, sy: float) -> list[Detection]:
        """The detections of the phrases' classes that can confirm a track, scaled to working pixels."""
        return [
            Detection(
                item.label,
                item.score,
                (item.box[0] * sx, item.box[1] * sy, item.box[2] * sx, item.box[3] * sy),
            )
            for item in found
            if item.label in self._labels and item.score >= self._min_score
        ]


def _list_unread(tiles: Sequence[Tile], read: Sequence[Tile], boxes: Sequence[Box]) -> list[Tile]:
    """The tiles that hold boxes (pixels) which none of the tiles read before holds."""
    unread: list[Tile] = []
    for box in boxes:
        holding = [tile for tile in tiles if contains_box(tile, box)]
        if holding and not any(tile in holding for tile in (*read, *unread)):
            unread.append(holding[0])
    return unread
