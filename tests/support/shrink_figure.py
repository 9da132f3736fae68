"""Make a figure of the page smaller: `python -m tests.support.shrink_figure FILE`."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLORS, FLAT_COLORS = 256, 96


def shrink(path: Path) -> None:
    """Write a PNG again with a palette: flat colours as they are, others as near as the rest of it allows."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    flat = list_flat_colors(np.asarray(picture))[:FLAT_COLORS]
    others = picture.quantize(COLORS - len(flat), Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([flat.ravel(), np.array(others[: 3 * (COLORS - len(flat))])]).tolist())
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


def list_flat_colors(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (N, 3) of pixels that look like the ones below and to the right, the most frequent first."""
    here = pixels[:-1, :-1]
    same = (here == pixels[1:, :-1]).all(2) & (here == pixels[:-1, 1:]).all(2)
    colors, counts = np.unique(here[same], axis=0, return_counts=True)
    return np.asarray(colors[np.argsort(-counts)], np.uint8)


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
