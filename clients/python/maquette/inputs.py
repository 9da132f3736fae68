"""What users give, as the contract takes it."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from maquette import rle
from maquette.contract import Box, Intrinsics, ObjectPrompt, Point, Rle, VideoExemplar, VideoPrompt

Prompt = TypeVar("Prompt", ObjectPrompt, VideoPrompt, VideoExemplar)
Phrases = str | Sequence[str]
Source = Any  # a path, an https address, bytes, a PIL image, or a NumPy array (H, W, 3) uint8


def media(source: Source) -> str | bytes | Path:
    """An https address as it is, everything else as a path or as encoded bytes."""
    if isinstance(source, str) and source.startswith(("https://", "http://")):
        return source
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
        return path
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    return _png(source)


def depth(source: Any) -> Any:
    """A path, or an array (H, W) or (H, W, 3) as a NumPy file."""
    if not hasattr(source, "dtype"):
        return source
    import numpy as np

    out = io.BytesIO()
    np.save(out, source, allow_pickle=False)
    return out.getvalue()


def phrases(text: Phrases | None) -> list[str]:
    """One phrase or several."""
    if text is None:
        return []
    return [text] if isinstance(text, str) else list(text)


def boxes(given: Iterable[Any] | None) -> list[Box]:
    """Boxes as (x0, y0, x1, y1), arrays, or Box."""
    found = []
    for item in given or ():
        if isinstance(item, Box):
            found.append(item)
            continue
        x0, y0, x1, y1 = (float(value) for value in item)
        found.append(Box(x0=x0, y0=y0, x1=x1, y1=y1))
    return found


def points(given: Iterable[Any] | None) -> list[list[Point]]:
    """Each item is one object: (x, y), or a list of (x, y) and (x, y, label)."""
    groups = []
    for item in given or ():
        if isinstance(item, Point):
            groups.append([item])
            continue
        parts = list(item)
        single = bool(parts) and not hasattr(parts[0], "__len__") and not isinstance(parts[0], Point)
        groups.append([_point(part) for part in ([parts] if single else parts)])
    return groups


def masks(given: Iterable[Any] | None) -> list[Rle]:
    """Arrays (H, W) or RLE."""
    return [_mask(item) for item in given or ()]


def prompts(given: Iterable[Any] | None, kind: type[Prompt]) -> list[Prompt]:
    """Prompts of the contract, or dicts with `box`, `points` and `mask` as users give them, and the rest."""
    found = []
    for item in given or ():
        if isinstance(item, kind):
            found.append(item)
            continue
        parts = dict(item)
        if parts.get("box") is not None:
            [parts["box"]] = boxes([parts["box"]])
        if parts.get("points") is not None:
            [parts["points"]] = points([parts["points"]])
        if parts.get("mask") is not None:
            parts["mask"] = _mask(parts["mask"])
        found.append(kind(**parts))
    return found


def camera(given: Any) -> Intrinsics | None:
    """Intrinsics, a dict of them, or a 3x3 matrix K."""
    if given is None or isinstance(given, Intrinsics):
        return given
    if isinstance(given, dict):
        return Intrinsics.model_validate(given)
    rows = [[float(value) for value in row] for row in given]
    return Intrinsics(fx=rows[0][0], fy=rows[1][1], cx=rows[0][2], cy=rows[1][2])


def motions(given: Iterable[Any] | None) -> list[Any] | None:
    """Rigid 4x4 matrices, arrays or nested lists, one for each frame."""
    if given is None:
        return None
    return [tuple(tuple(float(value) for value in row) for row in matrix) for matrix in given]


def _mask(item: Any) -> Rle:
    if isinstance(item, Rle):
        return item
    return Rle.model_validate(item) if isinstance(item, dict) else rle.encode(item)


def _point(part: Any) -> Point:
    if isinstance(part, Point):
        return part
    x, y, *label = part
    return Point(x=float(x), y=float(y), label=int(label[0]) if label else 1)


def _png(source: Any) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise TypeError("install maquette[arrays] to send PIL images or arrays") from error
    image = source if isinstance(source, Image.Image) else Image.fromarray(source)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
