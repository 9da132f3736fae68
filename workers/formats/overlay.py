"""Masks drawn over an image, so that a person can judge them."""

import colorsys
import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LONGEST = 1600


def color_of(index: int) -> tuple[int, int, int]:
    """A colour for the n-th object; neighbours in the list differ in hue."""
    red, green, blue = colorsys.hsv_to_rgb((index * 0.61803398875) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def overlay(
    image: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    labels: Sequence[str],
    colors: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """The image (H, W, 3) with tinted masks (H, W), outlines and labels; large images are scaled down."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    line = max(1, round(max(size) / 500))
    spots = []
    for position, mask in enumerate(masks):
        color = color_of(colors[position] if colors is not None else position)
        small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA if scale < 1 else 0) > 0
        canvas[small] = (0.55 * canvas[small] + 0.45 * np.array(color)).astype(np.uint8)
        contours, _ = cv2.findContours(small.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color, line, cv2.LINE_AA)
        ys, xs = np.nonzero(small)
        if len(ys):
            spots.append((int(xs.min()), int(ys.min()), labels[position], color))
    return _labelled(canvas, spots)


def overlay_png(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]], labels: Sequence[str]) -> bytes:
    """`overlay` as PNG."""
    return png(overlay(image, masks, labels))


def png(image: NDArray[np.uint8]) -> bytes:
    """An RGB image (H, W, 3) as PNG; the same pixels give the same bytes."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _labelled(
    canvas: NDArray[np.uint8], spots: list[tuple[int, int, str, tuple[int, int, int]]]
) -> NDArray[np.uint8]:
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(11, round(max(canvas.shape[:2]) / 70)))
    for x, y, label, color in spots:
        left, top, right, bottom = draw.textbbox((x + 3, y + 2), label, font=font)
        shift = min(0, canvas.shape[1] - right - 3)
        draw.rectangle((left - 3 + shift, top - 2, right + 3 + shift, bottom + 2), fill=color)
        draw.text((x + 3 + shift, y + 2), label, font=font, fill=(0, 0, 0))
    return np.asarray(picture)
