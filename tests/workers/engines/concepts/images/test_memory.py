"""Masks of large images: bytes per pixel that decoding and cleaning take at their peak."""

import tracemalloc
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from workers.engines.concepts.images.config import MaskDecodingConfig
from workers.engines.concepts.images.mask_decoding import build_prompt, decode_ambiguous, decode_mean
from workers.engines.concepts.images.mobilesam import ImageEmbedding, MobileSam
from workers.engines.concepts.masks import remove_specks
from workers.formats.rle import mask_to_polygons

HEIGHT, WIDTH = 3000, 4000
# float32 logits of two decodings, and bool masks beside them
TWO_LOGITS = 8


class Decoder:
    """Returns the same four smooth masks for every prompt, those of the mirror image mirrored."""

    upsample = staticmethod(MobileSam.upsample)
    prior_logits = staticmethod(MobileSam.prior_logits)

    def __init__(self) -> None:
        y, x = np.mgrid[0:256, 0:256] - 100.0
        self.masks = np.stack([60 + 9 * number - np.hypot(x, y) for number in range(4)]).astype(np.float32)

    def decode(self, embedding: ImageEmbedding, _prompt: Any, _prior: Any = None) -> tuple[Any, Any]:
        masks = self.masks[:, :, ::-1] if embedding.mirrored else self.masks
        return np.ascontiguousarray(masks), np.array([0.9, 0.8, 0.85, 0.7], np.float32)


@pytest.fixture
def sam() -> MobileSam:
    return cast(MobileSam, Decoder())


@pytest.fixture
def embeddings() -> list[ImageEmbedding]:
    features = np.zeros((1, 1, 1, 1), np.float32)
    return [ImageEmbedding(features, (HEIGHT, WIDTH), (768, 1024), mirrored) for mirrored in (False, True)]


def measure_peak(call: Callable[[], Any]) -> float:
    """The bytes per pixel that a call takes at its peak."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / (HEIGHT * WIDTH)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("prior", [None, np.ones((HEIGHT, WIDTH), np.bool_)], ids=["no-prior", "prior"])
def test_the_mean_of_decodings_takes_two_logits(
    sam: MobileSam, embeddings: list[ImageEmbedding], prior: Any
) -> None:
    prompt = build_prompt((10, 10, 900, 900))
    assert measure_peak(lambda: decode_mean(sam, embeddings, prompt, prior=prior)) < TWO_LOGITS + 2
    first, second = (sam.upsample(each, sam.decode(each, prompt)[0][0]) for each in embeddings)
    expected = (first + second) / np.float32(2)
    proposal = decode_mean(sam, embeddings, prompt)
    np.testing.assert_array_equal(proposal.mask, expected > 0)
    assert proposal.stability == np.count_nonzero(expected > 1) / np.count_nonzero(expected > -1)


def test_a_choice_among_candidates_takes_their_masks_besides(
    sam: MobileSam, embeddings: list[ImageEmbedding]
) -> None:
    prompt, config = build_prompt(None, np.array([[800.0, 600.0]]), np.array([1])), MaskDecodingConfig()
    assert measure_peak(lambda: decode_ambiguous(sam, embeddings, prompt, config)) < TWO_LOGITS + 6
    chosen = decode_ambiguous(sam, embeddings, prompt, config).mask
    candidates = [
        np.mean([sam.upsample(each, sam.decode(each, prompt)[0][index]) for each in embeddings], axis=0) > 0
        for index in (1, 2, 3)
    ]
    assert any(np.array_equal(chosen, candidate) for candidate in candidates)


def test_specks_are_removed_with_one_label_per_pixel() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[5:-5, 5:-5] = True
    mask[700, 900] = mask[2, 2] = False
    # labels are int32
    assert measure_peak(lambda: remove_specks(mask)) < 4 + 4
    cleaned = remove_specks(mask)
    assert cleaned[700, 900]
    assert not cleaned[2, 2]


def test_outlines_take_memory_by_the_object_not_the_image() -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[1200:1300, 1700:1900] = True
    mask[1240:1250, 1750:1760] = False
    # before it is measured, since the first call imports modules
    (outline,) = mask_to_polygons(mask)
    assert measure_peak(lambda: mask_to_polygons(mask)) < 1
    assert (min(outline[::2]), max(outline[::2])) == (1700.0, 1900.0)
    assert (min(outline[1::2]), max(outline[1::2])) == (1200.0, 1300.0)
