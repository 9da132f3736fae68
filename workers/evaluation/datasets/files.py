"""Files of datasets, read with errors that say what was expected where."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.engines.protocols import Rgb
from workers.evaluation.errors import LayoutError


def require_file(path: Path, what: str) -> Path:
    """The path of a file that must be there; `what` says what it is."""
    if not path.is_file():
        raise LayoutError(f"{what} is missing: {path}")
    return path


def require_folder(path: Path, what: str) -> Path:
    """The path of a folder that must be there; `what` says what it is."""
    if not path.is_dir():
        raise LayoutError(f"{what} is missing: {path}")
    return path


def read_json(path: Path, what: str, lists: tuple[str, ...] = ()) -> dict[str, Any]:
    """A JSON object with some lists of objects in it."""
    try:
        data = json.loads(require_file(path, what).read_bytes())
    except ValueError as error:
        raise LayoutError(f"{path} is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise LayoutError(f"{path} holds no JSON object")
    for name in lists:
        rows = data.get(name)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise LayoutError(f"{path} has no list of objects named {name!r}")
    return data


def require_fields(row: dict[str, Any], fields: tuple[str, ...], place: str) -> None:
    """Raise LayoutError for the first field that a row lacks."""
    for name in fields:
        if name not in row:
            raise LayoutError(f"{place} lacks {name!r}")


def read_rgb(path: Path) -> Rgb:
    """An image as uint8 (H, W, 3), in the orientation of its pixels."""
    try:
        with Image.open(require_file(path, "an image")) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise LayoutError(f"{path} is no image: {error}") from None


def read_labels(path: Path) -> NDArray[np.uint8]:
    """A PNG whose pixels are object ids, (H, W) uint8: with a palette, or grey."""
    try:
        with Image.open(require_file(path, "an annotation")) as image:
            if image.mode not in ("P", "L"):
                raise LayoutError(f"{path} has the mode {image.mode}; ids need a palette or one grey channel")
            return np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise LayoutError(f"{path} is no image: {error}") from None


def write_json(path: Path, data: Any) -> Path:
    """Write JSON in one line, and return its path."""
    path.write_text(json.dumps(data, allow_nan=False), encoding="utf-8")
    return path
