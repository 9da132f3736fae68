"""Suppression of duplicate detections."""

from workers.engines.concepts.images.config import DetectionConfig
from workers.engines.concepts.images.picodet import Detection, suppress_duplicates


def test_suppression_keeps_the_best_box_of_each_object_and_class() -> None:
    best = Detection("cat", 0.9, (0, 0, 100, 100))
    again = Detection("cat", 0.8, (5, 5, 105, 105))
    inside = Detection("cat", 0.7, (10, 10, 50, 60))
    dog = Detection("dog", 0.6, (0, 0, 100, 100))
    apart = Detection("cat", 0.3, (200, 0, 300, 100))
    assert suppress_duplicates([apart, inside, dog, again, best], DetectionConfig()) == [best, dog, apart]
