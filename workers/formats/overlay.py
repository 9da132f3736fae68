"""Masks drawn over an image, for people to check."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workers.formats.images import encode_png

# Larger images are reduced to this many pixels on the longest side.
LONGEST = 1600


def object_color(index: int) -> tuple[int, int, int]:
    """The RGB colour of the n-th object; hues of neighbouring numbers differ by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb((index * 0.61803398875) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def overlay_masks(
    image: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    labels: Sequence[str],
    colors: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """The image (H, W, 3) with tinted masks (H, W), outlines and labels, at most 1600 pixels long.

    `colors` are the numbers of the objects' colours; by default they follow the order of the masks.
    """
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    line = max(1, round(max(size) / 500))
    labelled = []
    for position, mask in enumerate(masks):
        color = object_color(colors[position] if colors is not None else position)
        small = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_AREA if scale < 1 else 0) > 0
        canvas[small] = (0.55 * canvas[small] + 0.45 * np.array(color)).astype(np.uint8)
        contours, _ = cv2.findContours(small.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, contours, -1, color, line, cv2.LINE_AA)
        ys, xs = np.nonzero(small)
        if len(ys) and labels[position]:
            labelled.append((int(xs.min()), int(ys.min()), labels[position], color))
    return _draw_labels(canvas, labelled)


def overlay_png(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]], labels: Sequence[str]) -> bytes:
    """`overlay_masks` as PNG."""
    return encode_png(overlay_masks(image, masks, labels))


def _draw_labels(
    canvas: NDArray[np.uint8], labelled: list[tuple[int, int, str, tuple[int, int, int]]]
) -> NDArray[np.uint8]:
    """The image with a label (x, y, text, colour) at the top left corner of each object."""
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(11, round(max(canvas.shape[:2]) / 70)))
    for x, y, label, color in labelled:
        left, top, right, bottom = draw.textbbox((x + 3, y + 2), label, font=font)
        shift = min(0, canvas.shape[1] - right - 3)
        draw.rectangle((left - 3 + shift, top - 2, right + 3 + shift, bottom + 2), fill=color)
        draw.text((x + 3 + shift, y + 2), label, font=font, fill=(0, 0, 0))
    return np.asarray(image)
