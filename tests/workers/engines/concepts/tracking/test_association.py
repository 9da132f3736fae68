"""Which detections confirm a track, and where a lost one may be found: drawn people, no network."""

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.engines.concepts.images.color_histograms import quantize_colors
from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.tracking.association import match_detections
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.reid import reidentification_score
from workers.engines.concepts.tracking.state import Track
from workers.engines.concepts.tracking.track_update import start_track
from workers.engines.protocols import Box

SHAPE = (120, 300)
GROUND, COAT, CONE = (150, 150, 150), (30, 25, 25), (240, 200, 20)
CONFIG, CLASSES = TrackerConfig(), {0: ["person"]}
# 20 x 50 pixels: a person's size is 31.6
HERE: Box = (40.0, 30.0, 60.0, 80.0)


def draw(color: tuple[int, int, int], box: Box) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """An image with one thing in it, and its mask."""
    image = np.full((*SHAPE, 3), GROUND, np.uint8)
    mask = np.zeros(SHAPE, np.bool_)
    x0, y0, x1, y1 = map(int, box)
    mask[y0:y1, x0:x1] = True
    image[mask] = color
    return image, mask


def track_coat(label: str | None = "person") -> Track:
    image, mask = draw(COAT, HERE)
    soft = mask.astype(np.uint8) * 255
    return start_track(1, soft, quantize_colors(image), prompt=0, label=label, score=0.9, frame=0, interval=5)


@pytest.mark.parametrize(
    ("color", "label", "expected"),
    [(COAT, "person", {0: 0}), (CONE, "person", {}), (GROUND, "person", {}), (CONE, None, {0: 0})],
    ids=["itself", "what stands there", "the ground", "what a box named"],
)
def test_a_box_without_a_tracks_colours_does_not_confirm_it(
    color: tuple[int, int, int], label: str | None, expected: dict[int, int]
) -> None:
    bins = quantize_colors(draw(color, HERE)[0])
    found = [Detection("person", 0.8, (42.0, 31.0, 63.0, 82.0))]
    assert match_detections([track_coat(label)], found, CLASSES, CONFIG, bins) == expected


@pytest.mark.parametrize(
    ("shift", "frames", "is_found"),
    [(20, 1, True), (200, 2, False), (200, 20, True)],
    ids=["near", "far too soon", "far in time"],
)
def test_a_lost_person_is_found_where_they_can_be_by_then(shift: int, frames: int, is_found: bool) -> None:
    track = track_coat()
    track.lost_at = 10
    image, mask = draw(COAT, (HERE[0] + shift, HERE[1], HERE[2] + shift, HERE[3]))
    score = reidentification_score(track, quantize_colors(image), mask, 10 + frames, CONFIG)
    assert (score > 0.9) == is_found and (score == 0.0) != is_found
