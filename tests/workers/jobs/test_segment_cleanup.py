"""`nms_iou` and `fill_area` of a segment job reach the engine; where they are absent nothing does."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import SegmentJob
from pydantic import ValidationError

from workers.engines.protocols import MaskCleanup
from workers.jobs.segment.instances import find_instances

BOX = {"x0": 1, "y0": 1, "x1": 8, "y1": 8}


class Engine:
    """Notes what it is asked, and finds nothing."""

    info = None

    def __init__(self) -> None:
        self.asked: list[MaskCleanup | None] = []

    def check(self, _phrases: Any) -> None:
        """Every phrase is known."""

    def embed(self, _image: Any, _key: str) -> None:
        return None

    def ground(self, _handle: Any, _phrases: Any, *, thresholds: Any, cleanup: MaskCleanup | None) -> Any:
        self.asked.append(cleanup)
        return []

    def ground_exemplars(
        self, _handle: Any, _boxes: Any, _labels: Any, *, cleanup: MaskCleanup | None, **_: Any
    ) -> Any:
        self.asked.append(cleanup)
        return []


@pytest.mark.parametrize(
    ("options", "cleanup"),
    [
        ({}, None),
        ({"fill_area": 0}, MaskCleanup(fill_area=0)),
        ({"nms_iou": 1.0, "fill_area": 9}, MaskCleanup(nms_iou=1.0, fill_area=9)),
    ],
)
def test_what_the_request_says_reaches_the_engine(
    options: dict[str, Any], cleanup: MaskCleanup | None
) -> None:
    engine = Engine()
    context: Any = SimpleNamespace(
        engines=SimpleNamespace(concepts=lambda: engine),
        record_engine=lambda _info: None,
        progress=lambda *_, **__: None,
    )
    image: Any = SimpleNamespace(width=10, height=10, pixels=np.zeros((10, 10, 3), np.uint8), key="a")
    request = SegmentJob(
        image={"url": "https://example.org/i"}, text=["cat"], exemplars=[{"box": BOX}], **options
    )
    assert find_instances(context, image, request) == []
    assert engine.asked == [cleanup, cleanup]


@pytest.mark.parametrize("options", [{"nms_iou": 1.1}, {"nms_iou": -0.1}, {"fill_area": -1}])
def test_values_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SegmentJob(image={"url": "https://example.org/i"}, text=["cat"], **options)
