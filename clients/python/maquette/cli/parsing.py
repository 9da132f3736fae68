"""Parse the values of options."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import typer

from maquette.contract.prompts import split_phrases
from maquette.sources.globs import is_web_address
from maquette.sources.text_files import read_text


def parse_boxes(texts: Iterable[str] | None) -> list[list[float]]:
    """Parse boxes 'x0,y0,x1,y1'."""
    return [_parse_numbers(text, (4,), "a box is x0,y0,x1,y1") for text in texts or ()]


def parse_points(texts: Iterable[str] | None) -> list[list[list[float]]]:
    """Parse objects 'x,y' or 'x,y,label', joined by ';'."""
    return [
        [_parse_numbers(part, (2, 3), "a point is x,y or x,y,label") for part in text.split(";")]
        for text in texts or ()
    ]


def parse_exemplars(texts: Iterable[str] | None) -> list[Any]:
    """Parse boxes 'x0,y0,x1,y1', and 'x0,y0,x1,y1@FILE' in another image: a path or an address."""
    exemplars: list[Any] = []
    for text in texts or ():
        corners, separator, name = text.partition("@")
        box = _parse_numbers(corners, (4,), "an exemplar is x0,y0,x1,y1 or x0,y0,x1,y1@FILE")
        if separator and not (is_web_address(name) or Path(name).is_file()):
            raise typer.BadParameter(f"there is no file {name!r} for the exemplar {text!r}")
        exemplars.append({"box": box, "image": name} if separator else box)
    return exemplars


def parse_video_exemplars(texts: Iterable[str] | None, *, positive: bool = True) -> list[dict[str, Any]]:
    """Parse boxes on frames: 'frame,x0,y0,x1,y1' or 'frame,phrase,x0,y0,x1,y1'."""
    exemplars = []
    for text in texts or ():
        form = "an exemplar is frame,x0,y0,x1,y1 or frame,phrase,x0,y0,x1,y1"
        frame, *rest = _parse_numbers(text, (5, 6), form)
        phrase = rest[0] if len(rest) == 5 else 0
        exemplars.append({"frame": frame, "phrase": phrase, "box": rest[-4:], "positive": positive})
    return exemplars


def parse_thresholds(values: list[float] | None, text: list[str] | None) -> dict[str, Any]:
    """Return the client's `threshold` for all phrases, or its `thresholds` with one per phrase."""
    phrases = len(split_phrases(text or []))
    if values and len(values) not in (1, phrases):
        raise typer.BadParameter(
            f"{len(values)} thresholds for {phrases} phrases: give one, or one per phrase"
        )
    if not values or len(values) == 1:
        return {"threshold": values[0] if values else None}
    return {"thresholds": values}


def parse_camera(text: str | None) -> dict[str, float] | None:
    """Parse intrinsics 'fx,fy,cx,cy'."""
    if text is None:
        return None
    fx, fy, cx, cy = _parse_numbers(text, (4,), "a camera is fx,fy,cx,cy")
    return {"fx": fx, "fy": fy, "cx": cx, "cy": cy}


def parse_vector(text: str | None) -> list[float] | None:
    """Parse a direction 'x,y,z'."""
    return None if text is None else _parse_numbers(text, (3,), "a direction is x,y,z")


def parse_names(text: str, kinds: Any) -> list[Any]:
    """Parse names joined by commas, each one of a Literal."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in get_args(kinds):
            raise typer.BadParameter(f"a format is one of {', '.join(get_args(kinds))}, not {name!r}")
    return names


def read_prompts(file: Path | None) -> list[dict[str, Any]]:
    """Read object prompts from a JSON file."""
    if file is None:
        return []
    prompts = read_json(file)
    if not isinstance(prompts, list) or not all(isinstance(prompt, dict) for prompt in prompts):
        raise typer.BadParameter(f"{file} must hold a JSON list of objects")
    return prompts


def read_poses(file: Path | None) -> list[Any] | None:
    """Read camera poses, 4x4 matrices, from a JSON file."""
    if file is None:
        return None
    poses = read_json(file)
    if not isinstance(poses, list) or not all(map(_is_matrix, poses)):
        raise typer.BadParameter(f"{file} must hold a JSON list of 4x4 matrices")
    return poses


def _is_matrix(value: Any) -> bool:
    return _has_four(value) and all(map(_has_four, value))


def _has_four(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4


def read_json(file: Path) -> Any:
    """Read a JSON file that an option names."""
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}") from error
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from error


def list_enabled(switches: Mapping[str, bool]) -> list[Any]:
    """Return the names of the switches that are on."""
    return [name for name, is_on in switches.items() if is_on]


def _parse_numbers(text: str, counts: tuple[int, ...], form: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts:
        raise typer.BadParameter(f"{form}, not {text!r}")
    return values


def read_mask(file: Path) -> Any:
    """Read an image as a mask (H, W): its alpha channel, or where it is brighter than half."""
    try:
        import numpy as np
        from PIL import Image
    except ImportError as error:
        raise typer.BadParameter("install maquette[arrays] to read masks") from error
    with Image.open(file) as image:
        # the mask of a cut-out lies in its alpha channel
        plane = image.getchannel("A") if "A" in image.getbands() else image.convert("L")
        return np.asarray(plane) > 127
