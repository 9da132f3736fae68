"""Semantic maps of both backends on RANDOM weights: the model's own output in the image's size."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from tests.parity.sam3_meta_fake import seen
from tests.parity.sam3_tiny import IMAGE, tiny_engine
from tests.parity.test_sam3_image import plain
from tests.parity.test_sam3_meta import engine as meta_engine
from workers.engines.concepts.sam3.errors import PhraseRejected
from workers.engines.protocols import SemanticEngine


def test_it_is_the_models_own_map_in_the_images_size() -> None:
    engine = tiny_engine()
    assert isinstance(engine, SemanticEngine) and "semantic_map" in engine.info.capabilities
    handle = engine.embed(IMAGE, "a")
    cat, dog = engine.map_semantics(handle, ["cat", "dog"])
    assert cat.shape == IMAGE.shape[:2] and cat.dtype == np.float32 and not np.array_equal(cat, dog)
    share = plain(engine, "cat").semantic_seg.sigmoid()
    assert share.shape[-1] != IMAGE.shape[1]
    expected = torch.nn.functional.interpolate(share, size=IMAGE.shape[:2], mode="bilinear")[0, 0]
    np.testing.assert_allclose(cat, expected, atol=1e-5)


def test_metas_map_covers_the_concept() -> None:
    engine = meta_engine()
    (red,) = engine.map_semantics(engine.embed(IMAGE, "a"), ["red"])
    np.testing.assert_array_equal(red > 0.5, seen(IMAGE, "red"))
    with pytest.raises(PhraseRejected):
        engine.map_semantics(engine.embed(IMAGE, "a"), [""])
