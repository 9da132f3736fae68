"""Which tiles of a video's frames are read, with detections that the test makes up."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from workers.engines.concepts.images.color_histograms import quantize_colors
from workers.engines.concepts.images.config import DetectionConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.picodet import Detection, PicoDet, Tile
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.frame_detection import FrameDetector
from workers.engines.concepts.tracking.state import Track
from workers.engines.concepts.tracking.track_update import start_track
from workers.engines.protocols import Box, Rgb
from workers.geometry.boxes import contains_box

HEIGHT, WIDTH = 720, 1280
CONFIG = TrackerConfig()
INTERVAL = CONFIG.key_frames.interval


class TileReader(PicoDet):
    """A detector that sees a small person only in a tile, and notes which tiles it was given."""

    def __init__(self, person: Box) -> None:
        self._config, self._pool = DetectionConfig(), ThreadPoolExecutor(2)
        self.person, self.tiles = person, 0

    def _run(self, image: Rgb, view: Tile) -> list[Detection]:
        if view == self.whole(image):
            return []
        self.tiles += 1
        return [Detection("person", 0.9, self.person)] if contains_box(view, self.person) else []


def detect(reader: TileReader, number: int, tracks: list[Track]) -> list[Detection]:
    image = EmbeddedImage(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    detector = FrameDetector(reader, {0: ("person",)}, 0.3, CONFIG, DetectionConfig())
    return detector.detect(image, number, tracks, (HEIGHT // 2, WIDTH // 2))


def track(box: Box) -> Track:
    """A track of the phrase whose mask is a box in working pixels."""
    mask = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    mask[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 255
    bins = quantize_colors(np.zeros((*mask.shape, 3), np.uint8))
    return start_track(1, mask, bins, prompt=0, label="person", score=0.9, frame=0, interval=INTERVAL)


def test_the_first_frame_is_read_in_every_tile() -> None:
    reader = TileReader((1100.0, 600.0, 1130.0, 680.0))
    [found] = detect(reader, 0, [])
    assert reader.tiles == 4
    # in working pixels, half of the frame's
    assert found.box == (550.0, 300.0, 565.0, 340.0)


def test_a_small_new_object_is_found_within_four_detections() -> None:
    for corner in [(100, 100), (1100, 100), (100, 600), (1100, 600)]:
        reader = TileReader((corner[0], corner[1], corner[0] + 30.0, corner[1] + 80.0))
        found = [detect(reader, number * INTERVAL, []) for number in range(1, 5)]
        assert reader.tiles == 4
        assert sum(map(len, found)) == 1


def test_a_small_object_is_confirmed_on_every_key_frame() -> None:
    reader = TileReader((1100.0, 600.0, 1130.0, 680.0))
    known = track((550.0, 300.0, 565.0, 340.0))
    for number in range(1, 9):
        reader.tiles = 0
        assert len(detect(reader, number * INTERVAL, [known])) == 1
        assert reader.tiles <= 2
