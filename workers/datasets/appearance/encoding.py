"""Vectors of reference crops, by an encoder that is plugged in."""

from collections.abc import Sequence
from dataclasses import replace

from workers.datasets.images import decode_image
from workers.datasets.protocols import CropEncoder
from workers.datasets.schema import FeatureRow
from workers.engines.protocols import Rgb

# crops per forward pass, as the protocol promises: a clip of many tracks has hundreds
MOST_CROPS = 32


def encode_crops(encoder: CropEncoder, crops: Sequence[FeatureRow]) -> list[FeatureRow]:
    """A row with a vector for each crop, in order."""
    rows: list[FeatureRow] = []
    for start in range(0, len(crops), MOST_CROPS):
        batch = crops[start : start + MOST_CROPS]
        vectors = encoder.encode([_decode(crop) for crop in batch])
        rows += [
            replace(
                crop,
                kind="vector",
                encoder=encoder.name,
                jpeg=None,
                vector=tuple(float(value) for value in vector),
            )
            for crop, vector in zip(batch, vectors, strict=True)
        ]
    return rows


def _decode(crop: FeatureRow) -> Rgb:
    assert crop.jpeg is not None
    return decode_image(crop.jpeg)
