"""Convert what users pass (paths, arrays, tuples, dicts) to models of the contract."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from maquette import rle
from maquette.argument_values import read_numbers, read_rows, unfit
from maquette.contract import (
    Box,
    Intrinsics,
    MediaRef,
    ObjectPrompt,
    Point,
    Rle,
    VideoExemplar,
    VideoPrompt,
)
from maquette.errors import ExtraMissing

Prompt = TypeVar("Prompt", ObjectPrompt, VideoPrompt, VideoExemplar)
Phrases = str | Sequence[str]
# a path, a folder of numbered frames, an https address, bytes, a PIL image, or an array (H, W, 3) uint8
MediaInput = Any

MEDIA_FORM = "a path, an https address, bytes, a PIL image, or an array (H, W, 3) of uint8"
BOX_FORM = "x0, y0, x1, y1 in pixels for each box"
POINT_FORM = "for each object x, y, or a list of x, y and x, y, label"
GROUND_FORM = "an array (H, W) of bool, or RLE with size and counts"
MASK_FORM = f"for each object {GROUND_FORM}"
CAMERA_FORM = "fx, fy, cx, cy in pixels, a dict of them, or a 3x3 matrix"
POSE_FORM = "a 4x4 matrix per frame"
DEPTH_FORM = "a file, an array (H, W) or (H, W, 3), or a dict with one as 'media' and fields of DepthMap"


def to_media(source: MediaInput) -> str | bytes | Path:
    """Return an https address as it is, a file as a path, and anything else as bytes.

    Raises FileNotFoundError, InvalidRequest for what is no medium, ExtraMissing for arrays without the extra.
    """
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


def to_depth_fields(depth: Any) -> dict[str, Any]:
    """Return the fields of DepthMap, with a path or the bytes of a NumPy file as `media`.

    Accepts a path, an array (H, W) or (H, W, 3), or a dict with one as `media`; raises InvalidRequest.
    """
    fields = dict(depth) if isinstance(depth, Mapping) else {"media": depth}
    if fields.get("media") is None:
        raise unfit("depth", DEPTH_FORM, depth)
    fields["media"] = _to_depth_file(fields["media"])
    return fields


def to_phrases(text: Phrases | None) -> list[str]:
    """Return one phrase or several as a list."""
    if text is None:
        return []
    phrases = [text] if isinstance(text, str) else _to_list(text, "text", "a phrase or a list of phrases")
    if not all(isinstance(phrase, str) for phrase in phrases):
        raise unfit("text", "a phrase or a list of phrases", text)
    return phrases


def to_boxes(boxes: Iterable[Any] | None, name: str = "boxes") -> list[Box]:
    """Accept one box or several: x0, y0, x1, y1 as numbers, an array, text, a dict, or Box."""
    if boxes is None:
        return []
    boxes = _settle(boxes)
    is_single = isinstance(boxes, Box | Mapping | str) or bool(read_numbers(boxes))
    items = [boxes] if is_single else _to_list(boxes, name, BOX_FORM)

    return [_to_box(item, name) for item in items]


def to_exemplars(exemplars: Iterable[Any] | None) -> list[tuple[Box, Any]]:
    """Accept boxes as `to_boxes` does, or dicts of a `box` and the `image` that it lies in."""
    exemplars = _settle(exemplars)
    if isinstance(exemplars, Mapping) and "box" in exemplars:
        exemplars = [exemplars]
    if exemplars is None or read_numbers(exemplars) or isinstance(exemplars, Box | Mapping | str):
        return [(box, None) for box in to_boxes(exemplars, "exemplars")]
    pairs = []
    for item in _to_list(exemplars, "exemplars", BOX_FORM):
        is_dict = isinstance(item, Mapping) and "box" in item
        box, image = (item["box"], item.get("image")) if is_dict else (item, None)
        pairs.append((_to_box(box, "exemplars"), image))
    return pairs


def to_image_phrases(images: Iterable[Any] | None) -> list[dict[str, Any]]:
    """Return the fields of ImagePhrases: accept media, or dicts of an `image` and its `text`."""
    converted = []
    form = "a list of media, or of dicts with fields of ImagePhrases"
    for item in _to_list(() if images is None else images, "images", form):
        fields = dict(item) if isinstance(item, Mapping) else {"image": item}
        if fields.get("image") is None:
            raise unfit("images", form, item)
        converted.append({**fields, "text": to_phrases(fields.get("text"))})
    return converted


def to_points(objects: Iterable[Any] | None) -> list[list[Point]]:
    """Accept one item per object: (x, y), or a list of (x, y) and (x, y, label); or a single point."""
    if objects is None:
        return []
    objects = _settle(objects)
    is_single = isinstance(objects, Point | Mapping) or bool(read_numbers(objects))
    items = [objects] if is_single else _to_list(objects, "points", POINT_FORM)
    return [_to_point_group(item) for item in items]


def to_masks(masks: Iterable[Any] | None) -> list[Rle]:
    """Accept masks as arrays (H, W) or RLE, or a single one."""
    if masks is None:
        return []
    masks = _settle(masks)
    is_single = isinstance(masks, Rle | Mapping) or getattr(masks, "ndim", None) == 2
    return [_to_rle(mask) for mask in ([masks] if is_single else _to_list(masks, "masks", MASK_FORM))]


def to_ground(mask: Any) -> Rle | None:
    """Accept the mask of a floor as an array (H, W) or RLE."""
    return None if mask is None else _to_rle(mask, "ground", GROUND_FORM)


def to_prompts(prompts: Iterable[Any] | None, kind: type[Prompt]) -> list[Prompt]:
    """Accept prompts of the contract, or dicts whose box, points and mask are as users pass them."""
    converted = []
    form = f"a list of dicts with fields of {kind.__name__}"
    for prompt in _to_list(() if prompts is None else prompts, "prompts", form):
        if isinstance(prompt, kind):
            converted.append(prompt)
            continue
        if not isinstance(prompt, Mapping):
            raise unfit("prompts", form, prompt)
        fields = dict(prompt)
        if fields.get("box") is not None:
            fields["box"] = _to_box(fields["box"], "box")
        if fields.get("points") is not None:
            fields["points"] = _to_point_group(fields["points"])
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


def to_heights(heights: Any) -> float | list[float | None] | None:
    """Accept a height in metres, or a sequence of them with None where unknown."""
    if heights is None:
        return None
    try:
        if isinstance(heights, (str, bytes)):
            raise TypeError
        if hasattr(heights, "__iter__"):
            return [None if height is None else float(height) for height in heights]
        return float(heights)
    except (TypeError, ValueError) as error:
        expected = "a height in metres, or one per person (None where unknown)"
        raise unfit("height_m", expected, heights) from error


def to_intrinsics(camera: Any) -> Intrinsics | None:
    """Accept Intrinsics, a dict of them, fx, fy, cx, cy as numbers or text, or a 3x3 matrix K."""
    if camera is None or isinstance(camera, Intrinsics):
        return camera
    if isinstance(camera, Mapping):
        return Intrinsics.model_validate(dict(camera))
    values = read_numbers(camera)
    if values is not None and len(values) == 4:
        return Intrinsics(fx=values[0], fy=values[1], cx=values[2], cy=values[3])
    rows = read_rows(camera, 3, 3)
    if rows is None:
        raise unfit("camera", CAMERA_FORM, camera)
    return Intrinsics(fx=rows[0][0], fy=rows[1][1], cx=rows[0][2], cy=rows[1][2])


def to_camera_poses(poses: Iterable[Any] | None) -> list[Any] | None:
    """Accept rigid 4x4 matrices, arrays or nested lists, one per frame."""
    if poses is None:
        return None
    converted = []
    for index, matrix in enumerate(_to_list(poses, "world_from_cam", POSE_FORM)):
        rows = read_rows(matrix, 4, 4)
        if rows is None:
            raise unfit(f"world_from_cam[{index}]", POSE_FORM, matrix)
        converted.append(tuple(map(tuple, rows)))
    return converted


def to_views(views: Iterable[Any] | None) -> list[Any]:
    """Accept SplatView, or dicts of `width`, `height`, `camera` and `world_from_cam` in their forms."""
    converted: list[Any] = []
    form = "a list of dicts with width, height, camera and world_from_cam"
    for view in _to_list(() if views is None else views, "views", form):
        if not isinstance(view, Mapping):
            converted.append(view)
            continue
        fields = dict(view)
        if "camera" in fields:
            fields["camera"] = to_intrinsics(fields["camera"])
        if "world_from_cam" in fields:
            [fields["world_from_cam"]] = to_camera_poses([fields["world_from_cam"]]) or [None]
        converted.append(fields)
    return converted


def to_job_id(job: Any) -> str | None:
    """Accept a job, a handle to one, or an id."""
    return None if job is None else str(getattr(job, "id", job))


def _to_box(box: Any, name: str) -> Box:
    if isinstance(box, Box):
        return box
    if isinstance(box, Mapping):
        return Box.model_validate(dict(box))
    values = read_numbers(box)
    if values is None or len(values) != 4:
        raise unfit(name, BOX_FORM, box)
    return Box(x0=values[0], y0=values[1], x1=values[2], y1=values[3])


def _to_point_group(item: Any) -> list[Point]:
    """One object by its points."""
    if isinstance(item, Point | Mapping) or read_numbers(item):
        return [_to_point(item)]
    return [_to_point(part) for part in _to_list(item, "points", POINT_FORM)]


def _to_point(part: Any) -> Point:
    if isinstance(part, Point):
        return part
    if isinstance(part, Mapping):
        return Point.model_validate(dict(part))
    values = read_numbers(part)
    if values is None or len(values) not in (2, 3):
        raise unfit("points", POINT_FORM, part)
    return Point(x=values[0], y=values[1], label=int(values[2]) if len(values) == 3 else 1)


def _to_rle(mask: Any, field: str = "masks", form: str = MASK_FORM) -> Rle:
    if isinstance(mask, Rle):
        return mask
    if isinstance(mask, Mapping):
        return Rle.model_validate(dict(mask))
    try:
        return rle.encode(mask)
    except (ValueError, TypeError) as error:
        raise unfit(field, form, mask) from error


def _to_depth_file(source: Any) -> Any:
    """A path or an upload as it is, and an array as the bytes of a NumPy file."""
    if not hasattr(source, "dtype"):
        if not isinstance(source, str | bytes | Path | MediaRef):
            raise unfit("depth", DEPTH_FORM, source)
        return source
    import numpy as np

    out = io.BytesIO()
    np.save(out, source, allow_pickle=False)
    return out.getvalue()


def _settle(values: Any) -> Any:
    """A list instead of an iterator, which can be read only once."""
    return list(values) if isinstance(values, Iterator) else values


def _to_list(values: Any, name: str, form: str) -> list[Any]:
    if isinstance(values, str | bytes | Mapping):
        raise unfit(name, form, values)
    try:
        return list(values)
    except TypeError as error:
        raise unfit(name, form, values) from error


def _encode_png(source: Any) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise ExtraMissing("to send PIL images or arrays: pip install 'maquette[arrays]'") from error
    try:
        image = source if isinstance(source, Image.Image) else Image.fromarray(source)
        out = io.BytesIO()
        image.save(out, "PNG", compress_level=1)
    except (AttributeError, TypeError, ValueError, KeyError, OSError) as error:
        raise unfit("image", MEDIA_FORM, source) from error
    return out.getvalue()
