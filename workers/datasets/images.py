"""Images, masks and depth maps at other sizes, and as files."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

# of frames and crops: chosen, not measured
JPEG_QUALITY = 92
# levels of a 16-bit PNG besides 0, which means unknown
DEPTH_LEVELS = 65_535


def fit_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) scaled down so that the longer side is at most `longest` pixels."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def resize_area(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An RGB image or one channel at (width, height), averaged over areas."""
    # halving is exact, and four times as fast as areas that cut pixels
    while (
        image.shape[0] % 2 == image.shape[1] % 2 == 0
        and image.shape[1] >= 2 * size[0]
        and image.shape[0] >= 2 * size[1]
    ):
        half = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA))
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at (width, height): the pixels that are covered by more than half."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    return np.asarray(resize_area(mask.astype(np.uint8) * 255, size) > 127)


def encode_jpeg(image: Pixels) -> bytes:
    """RGB (H, W, 3) as a JPEG file."""
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert encoded
    return data.tobytes()


def decode_image(data: bytes) -> Pixels:
    """A JPEG or PNG file as RGB uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def pack_depth(depth: NDArray[np.float32]) -> tuple[bytes, float]:
    """z-depth f32 (H, W) as a 16-bit PNG, 0 where it is unknown, and the depth of one level."""
    known = np.isfinite(depth) & (depth > 0)
    farthest = float(depth[known].max()) if known.any() else 1.0
    unit = farthest / DEPTH_LEVELS
    levels = np.where(known, np.clip(np.round(np.where(known, depth, 0) / unit), 1, DEPTH_LEVELS), 0)
    out = io.BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(out, "PNG", compress_level=3)
    return out.getvalue(), unit
