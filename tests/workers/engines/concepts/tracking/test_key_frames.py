"""When the detector looks again at an object of a phrase, by how fast that moves."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from workers.engines.concepts.images.config import ImageConfig
from workers.engines.concepts.images.mobilesam import MobileSam
from workers.engines.concepts.images.picodet import Detection, PicoDet, Tile
from workers.engines.concepts.images.prompt_segmenter import PromptSegmenter
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.tracker import DefaultTracker
from workers.engines.protocols import Box, Rgb, TrackPrompts, VideoFrame

HEIGHT, WIDTH, SIDE = 180, 320, 40


class PlaceTeller(PicoDet):
    """A detector that knows where the person is, and counts how often it is asked."""

    def __init__(self) -> None:
        self._config, self._pool = ImageConfig().detection, ThreadPoolExecutor(1)
        self.box: Box = (0, 0, 0, 0)
        self.asked = 0

    def _run(self, image: Rgb, view: Tile) -> list[Detection]:
        self.asked += 1
        return [Detection("person", 0.9, self.box)]


@pytest.fixture(scope="module")
def sam() -> MobileSam:
    return MobileSam(2)


@pytest.mark.parametrize(("step", "second"), [(1, 5), (14, 2)])
def test_who_moves_by_half_of_his_size_is_looked_at_again_sooner(
    sam: MobileSam, step: int, second: int
) -> None:
    """14 pixels are a step of someone who walks at 6 frames per second, 1 pixel is one at 30."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (2, HEIGHT, WIDTH, 3), np.uint8)
    ground, clothes = (cv2.GaussianBlur(image, (0, 0), 2) for image in noise)
    clothes[..., 0] = 230
    detector = PlaceTeller()
    tracker = DefaultTracker(
        sam,
        detector,
        PromptSegmenter(sam, ImageConfig().decoding, mirror=False),
        TrackPrompts(("person",)),
        pool=ThreadPoolExecutor(1),
        config=TrackerConfig(),
        images=ImageConfig(),
    )
    asked = []
    for index in range(second + 1):
        x = 30 + step * index
        image = ground.copy()
        image[70 : 70 + SIDE, x : x + SIDE] = clothes[:SIDE, :SIDE]
        detector.box = (x, 70, x + SIDE, 70 + SIDE)
        tracker.step(VideoFrame(index, index, image))
        asked.append(detector.asked)
    assert asked == [1] * second + [2]
