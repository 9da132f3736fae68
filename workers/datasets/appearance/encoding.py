"""Vectors of reference crops, by an encoder that is plugged in."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from workers.datasets.protocols import CropEncoder
from workers.datasets.schema import FeatureRow
from workers.engines.protocols import Rgb

# crops of one forward: a clip of many tracks has hundreds
TOGETHER = 32


def encode_crops(encoder: CropEncoder, crops: Sequence[FeatureRow]) -> list[FeatureRow]:
    """A row with a vector for each crop, in order."""
    made: list[FeatureRow] = []
    for start in range(0, len(crops), TOGETHER):
        part = crops[start : start + TOGETHER]
        made += [
            replace(
                crop,
                kind="vector",
                encoder=encoder.name,
                jpeg=None,
                vector=tuple(float(value) for value in vector),
            )
            for crop, vector in zip(part, encoder.encode([_pixels(crop) for crop in part]), strict=True)
        ]
    return made


def _pixels(crop: FeatureRow) -> Rgb:
    assert crop.jpeg is not None
    with Image.open(io.BytesIO(crop.jpeg)) as picture:
        return np.asarray(picture.convert("RGB"))
