"""Vectors of reference crops, by an encoder that is plugged in."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from workers.datasets.ports import Encoder
from workers.datasets.schema import FeatureRow


def vectors(encoder: Encoder, crops: Sequence[FeatureRow]) -> list[FeatureRow]:
    """A row with a vector for each crop, in order."""
    pictures = []
    for crop in crops:
        assert crop.jpeg is not None
        with Image.open(io.BytesIO(crop.jpeg)) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    if not pictures:
        return []
    made = encoder.encode(pictures)
    return [
        replace(
            crop,
            kind="vector",
            encoder=encoder.name,
            jpeg=None,
            vector=tuple(float(value) for value in vector),
        )
        for crop, vector in zip(crops, made, strict=True)
    ]
