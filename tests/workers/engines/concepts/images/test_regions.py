"""MobileSAM on a region of an image: the same places, the same object, less to read."""

import numpy as np
import pytest

from tests.support.scenes import draw_ball, make_wall
from workers.engines.concepts.images.mask_decoding import build_prompt
from workers.engines.concepts.images.mobilesam import ImageEmbedding, MobileSam
from workers.engines.protocols import Box, Mask
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

pytestmark = pytest.mark.slow

SIZE = 360, 640


@pytest.fixture(scope="module")
def sam() -> MobileSam:
    return MobileSam()


def segment(sam: MobileSam, embedding: ImageEmbedding, box: Box) -> Mask:
    masks, _ = sam.decode(embedding, build_prompt(box))
    return np.asarray(sam.upsample(embedding, masks[0]) > 0, dtype=np.bool_)


@pytest.mark.parametrize("center", [(60, 60), (180, 320), (300, 580)])
def test_an_object_is_found_in_its_region_wherever_it_is(sam: MobileSam, center: tuple[int, int]) -> None:
    image = make_wall(size=SIZE)
    ball = draw_ball(image, center, 50, (220, 60, 40))
    x0, y0, x1, y1 = box = bounding_box(ball)
    region = max(x0 - 25, 0.0), max(y0 - 25, 0.0), min(x1 + 25, 640.0), min(y1 + 25, 360.0)
    embedding = sam.encode_region(image, region)
    assert embedding.features.shape[2] * embedding.features.shape[3] < 0.25 * 64 * 36
    assert mask_iou(segment(sam, embedding, box), ball) > 0.95


def test_nothing_is_found_outside_the_region(sam: MobileSam) -> None:
    image = make_wall(size=SIZE)
    left = draw_ball(image, (180, 120), 50, (220, 60, 40))
    right = draw_ball(image, (180, 520), 50, (40, 90, 210))
    embedding = sam.encode_region(image, (60.0, 120.0, 180.0, 240.0))
    assert not segment(sam, embedding, bounding_box(right))[right].any()
    assert mask_iou(segment(sam, embedding, bounding_box(left)), left) > 0.95


def test_a_fitted_image_keeps_the_cells_of_the_empty_square(sam: MobileSam) -> None:
    """The decoder attends to the complete square, on which it was trained."""
    image = make_wall(size=SIZE)
    ball = draw_ball(image, (180, 320), 50, (220, 60, 40))
    fitted, complete = sam.encode(image, fitted=True), sam.encode(image)
    assert fitted.features.shape == complete.features.shape
    masks = [segment(sam, embedding, bounding_box(ball)) for embedding in (fitted, complete)]
    assert mask_iou(*masks) > 0.97
