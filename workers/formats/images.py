"""RGB images for people: PNG files and smaller versions."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

# of 100; textures keep their prints, at a fifth of the bytes of a PNG
JPEG_QUALITY = 95


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """An RGB image (H, W, 3) as PNG; the same pixels give the same bytes."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG", compress_level=4)
    return out.getvalue()


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """An RGB image (H, W, 3) as JPEG without subsampled colours; the same pixels give the same bytes."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def shrink_image(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The image (H, W, 3), reduced until its longest side is at most `longest` pixels; never enlarged."""
    height, width = image.shape[:2]
    size = shrunk_size(width, height, longest)
    if size == (width, height):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def shrunk_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """The width and height of what `shrink_image` returns, at least 2 pixels each."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))
