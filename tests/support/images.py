"""Facts about image files, with the files closed again."""

from pathlib import Path

from PIL import Image


def image_size(path: Path) -> tuple[int, int]:
    """Width and height."""
    with Image.open(path) as image:
        return image.size
