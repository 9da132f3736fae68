"""Convert what users pass (paths, arrays, tuples, dicts) to models of the contract."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from maquette import rle
from maquette.contract import Box, Intrinsics, ObjectPrompt, Point, Rle, VideoExemplar, VideoPrompt

Prompt = TypeVar("Prompt", ObjectPrompt, VideoPrompt, VideoExemplar)
Phrases = str | Sequence[str]
# a path, an https address, bytes, a PIL image, or a NumPy array (H, W, 3) uint8
MediaInput = Any


def to_media(source: MediaInput) -> str | bytes | Path:
    """Return an https address as it is, a file as a path, and anything else as bytes."""
    if isinstance(source, str) and source.startswith(("https://", "http://")):
        return source
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
        return path
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    return _encode_png(source)


def to_depth_file(source: Any) -> Any:
    """Return a path as it is, and an array (H, W) or (H, W, 3) as the bytes of a NumPy file."""
    if not hasattr(source, "dtype"):
        return source
    import numpy as np

    out = io.BytesIO()
    np.save(out, source, allow_pickle=False)
    return out.getvalue()


def to_phrases(text: Phrases | None) -> list[str]:
    """Return one phrase or several as a list."""
    if text is None:
        return []
    return [text] if isinstance(text, str) else list(text)


def to_boxes(boxes: Iterable[Any] | None) -> list[Box]:
    """Accept boxes as (x0, y0, x1, y1), arrays, or Box."""
    converted = []
    for box in boxes or ():
        if isinstance(box, Box):
            converted.append(box)
            continue
        x0, y0, x1, y1 = (float(value) for value in box)
        converted.append(Box(x0=x0, y0=y0, x1=x1, y1=y1))
    return converted


def to_points(objects: Iterable[Any] | None) -> list[list[Point]]:
    """Accept one item per object: (x, y), or a list of (x, y) and (x, y, label)."""
    converted = []
    for item in objects or ():
        if isinstance(item, Point):
            converted.append([item])
            continue
        parts = list(item)
        is_single = bool(parts) and not hasattr(parts[0], "__len__") and not isinstance(parts[0], Point)
        converted.append([_to_point(part) for part in ([parts] if is_single else parts)])
    return converted


def to_masks(masks: Iterable[Any] | None) -> list[Rle]:
    """Accept masks as arrays (H, W) or RLE."""
    return [_to_rle(mask) for mask in masks or ()]


def to_prompts(prompts: Iterable[Any] | None, kind: type[Prompt]) -> list[Prompt]:
    """Accept prompts of the contract, or dicts whose box, points and mask are as users pass them."""
    converted = []
    for prompt in prompts or ():
        if isinstance(prompt, kind):
            converted.append(prompt)
            continue
        fields = dict(prompt)
        if fields.get("box") is not None:
            [fields["box"]] = to_boxes([fields["box"]])
        if fields.get("points") is not None:
            [fields["points"]] = to_points([fields["points"]])
        if fields.get("mask") is not None:
            fields["mask"] = _to_rle(fields["mask"])
        converted.append(kind(**fields))
    return converted


def to_prompt_fields(
    text: Phrases | None, boxes: Iterable[Any] | None, points: Iterable[Any] | None, threshold: float | None
) -> dict[str, Any]:
    """Return the fields that all prompted jobs share."""
    return {
        "text": to_phrases(text),
        "boxes": to_boxes(boxes),
        "points": to_points(points),
        "threshold": threshold,
    }


def to_intrinsics(camera: Any) -> Intrinsics | None:
    """Accept Intrinsics, a dict of them, or a 3x3 matrix K."""
    if camera is None or isinstance(camera, Intrinsics):
        return camera
    if isinstance(camera, dict):
        return Intrinsics.model_validate(camera)
    rows = [[float(value) for value in row] for row in camera]
    return Intrinsics(fx=rows[0][0], fy=rows[1][1], cx=rows[0][2], cy=rows[1][2])


def to_camera_poses(poses: Iterable[Any] | None) -> list[Any] | None:
    """Accept rigid 4x4 matrices, arrays or nested lists, one per frame."""
    if poses is None:
        return None
    return [tuple(tuple(float(value) for value in row) for row in matrix) for matrix in poses]


def to_job_id(job: Any) -> str | None:
    """Accept a job, a handle to one, or an id."""
    return None if job is None else str(getattr(job, "id", job))


def _to_rle(mask: Any) -> Rle:
    if isinstance(mask, Rle):
        return mask
    return Rle.model_validate(mask) if isinstance(mask, dict) else rle.encode(mask)


def _to_point(part: Any) -> Point:
    if isinstance(part, Point):
        return part
    x, y, *label = part
    return Point(x=float(x), y=float(y), label=int(label[0]) if label else 1)


def _encode_png(source: Any) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise TypeError("install maquette[arrays] to send PIL images or arrays") from error
    image = source if isinstance(source, Image.Image) else Image.fromarray(source)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
