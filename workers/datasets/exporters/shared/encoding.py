"""Arrays, images and JSON as the bytes of a file; equal content gives equal bytes."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode_json(content: Any) -> str:
    """Indented JSON with a newline at the end; raises ValueError for NaN, which other readers reject."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def encode_npy(array: NDArray[Any]) -> bytes:
    """An array as .npy, without pickle."""
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()


def encode_npz(arrays: Mapping[str, Any], *, compressed: bool) -> bytes:
    """Named arrays as .npz."""
    data = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(data, **arrays)
    return data.getvalue()


def encode_png(image: NDArray[Any], **options: Any) -> bytes:
    """Grey or RGB pixels as PNG; `options` are Pillow's."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG", **options)
    return data.getvalue()


def encode_jpeg(image: NDArray[np.uint8], **options: Any) -> bytes:
    """RGB pixels (H, W, 3) as JPEG; `options` are Pillow's."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", **options)
    return data.getvalue()
