"""What a request says about cleaning masks reaches the post-processing of both backends; RANDOM weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

from tests.parity.sam3_meta_fake import seen
from tests.parity.sam3_tiny import BOX, IMAGE, tiny_engine
from tests.parity.test_sam3_meta import engine as meta_engine
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.protocols import MaskCleanup, SegmentedInstance


def test_a_request_takes_the_place_of_the_settings() -> None:
    settings = Sam3Settings(nms_iou=0.7, fill_area=16)
    assert settings.clean_with(None) == settings.postprocess
    assert settings.clean_with(MaskCleanup(fill_area=0)) == replace(settings.postprocess, fill_area=0)
    assert settings.clean_with(MaskCleanup(nms_iou=0.2)) == replace(settings.postprocess, nms_iou=0.2)


def test_duplicates_are_left_out_as_the_request_says() -> None:
    engine = tiny_engine(nms_iou=0.5)
    handle = engine.embed(IMAGE, "a")

    def count(nms_iou: float | None) -> tuple[int, int]:
        cleanup = None if nms_iou is None else MaskCleanup(nms_iou=nms_iou)
        exemplars = engine.ground_exemplars(handle, [BOX], [1], cleanup=cleanup)
        return len(engine.ground(handle, ["cat"], cleanup=cleanup)), len(exemplars)

    everything = count(1.0)
    by_setting, fewest = count(None), count(0.0)
    assert fewest[0] < everything[0] and fewest[1] < everything[1]
    assert all(
        low <= middle <= high for low, middle, high in zip(fewest, by_setting, everything, strict=True)
    )


def test_holes_are_kept_where_the_request_says_so() -> None:
    photo: Any = IMAGE.copy()
    photo[39:42, 19:22] = 0
    concepts = meta_engine()

    def find(cleanup: MaskCleanup | None) -> SegmentedInstance:
        (found,) = concepts.ground(concepts.embed(photo, "a"), ["red"], cleanup=cleanup)
        return found

    assert not find(None).mask[40, 20]
    assert find(MaskCleanup(fill_area=16)).mask[40, 20]
    np.testing.assert_array_equal(find(MaskCleanup(fill_area=0)).mask, seen(photo, "red"))
    assert "mask_cleanup" in concepts.info.capabilities and "mask_cleanup" in tiny_engine().info.capabilities


def test_holes_of_what_exemplars_find_are_filled_by_metas_backend_too() -> None:
    photo: Any = IMAGE.copy()
    photo[39:42, 19:22] = 0
    concepts = meta_engine()

    def find(fill_area: int) -> SegmentedInstance:
        handle, shown = concepts.embed(photo, "a"), (10.0, 25.0, 30.0, 45.0)
        (found,) = concepts.ground_exemplars(handle, [shown], [1], cleanup=MaskCleanup(fill_area=fill_area))
        return found

    assert find(9).mask[40, 20]
    np.testing.assert_array_equal(find(8).mask, seen(photo, "red"))
