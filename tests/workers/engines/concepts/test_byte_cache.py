"""The cache of embedded images, by bytes."""

import numpy as np

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.mobilesam import EMBEDDING_BYTES


def test_the_least_recently_used_items_are_dropped_by_bytes() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    one = EmbeddedImage(image).nbytes
    assert one == image.nbytes + 2 * EMBEDDING_BYTES
    cache: ByteLimitedCache[EmbeddedImage] = ByteLimitedCache(2 * one)
    first, second, third = EmbeddedImage(image), EmbeddedImage(image), EmbeddedImage(image)
    cache.put("1", first)
    cache.put("2", second)
    assert cache.get("1") is first
    cache.put("3", third)
    assert cache.get("2") is None and cache.get("1") is first and cache.get("3") is third
    assert cache.nbytes <= 2 * one


def test_one_item_above_the_limit_is_still_kept() -> None:
    cache: ByteLimitedCache[EmbeddedImage] = ByteLimitedCache(1)
    cache.put("1", EmbeddedImage(np.zeros((8, 8, 3), np.uint8)))
    assert cache.get("1") is not None and len(cache) == 1
