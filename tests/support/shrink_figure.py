"""Make a figure of the page smaller: `python -m tests.support.shrink_figure FILE`."""

import sys
from pathlib import Path

from PIL import Image

# what the page's flat surfaces and one picture need
COLORS = 256


def shrink(path: Path) -> None:
    """Write a PNG again with a palette."""
    with Image.open(path) as picture:
        # small patches of colour, such as those of masks in lists, stay what they are
        palette = picture.convert("RGB").quantize(COLORS, Image.Quantize.MAXCOVERAGE)
    palette.save(path, optimize=True)


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
