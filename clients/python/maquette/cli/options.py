"""Options that commands share, and how they are read."""

import glob
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from maquette.client import Maquette
from maquette.contract import BodyFormat
from maquette.inputs import MediaInput

Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the artefacts.")]
Text = Annotated[list[str] | None, typer.Option("--text", "-t", help="A phrase; may be repeated.")]
Boxes = Annotated[
    list[str] | None, typer.Option("--box", "-b", help="x0,y0,x1,y1 in pixels; may be repeated.")
]
Points = Annotated[
    list[str] | None,
    typer.Option("--point", "-p", help="x,y or x,y,label; several of one object joined by ';'."),
]
Exemplars = Annotated[
    list[str] | None,
    typer.Option("--exemplar", "-e", help="x0,y0,x1,y1 around a thing of a kind: finds all like it."),
]
VideoExemplars = Annotated[
    list[str] | None,
    typer.Option(
        "--exemplar",
        "-e",
        help="frame,x0,y0,x1,y1 around what phrase 0 means, or frame,phrase,x0,y0,x1,y1.",
    ),
]
Counters = Annotated[
    list[str] | None, typer.Option("--counter", help="x0,y0,x1,y1 around a thing that is not meant.")
]
Threshold = Annotated[float | None, typer.Option(help="Least score of a phrase's instances.")]
Thresholds = Annotated[
    list[float] | None,
    typer.Option("--threshold", help="Least score; once for all phrases, or once for each in their order."),
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        help="JSON file: a list of objects with box, points, mask; of videos also frame, object, remove."
    ),
]
EngineName = Annotated[str, typer.Option(help="Engine, or auto.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
CameraOption = Annotated[str | None, typer.Option(help="fx,fy,cx,cy in pixels of the full image.")]
DepthFile = Annotated[
    Path | None,
    typer.Option(
        "--depth", help="Depth of the picture: 16-bit or float PNG or TIFF, or NPY of z or of points."
    ),
]
DepthUnit = Annotated[
    float | None, typer.Option(min=0, help="Metres a unit; else 0.001 for whole numbers, 1 for others.")
]
DepthDistance = Annotated[bool, typer.Option("--depth-distance", help="Lengths of rays instead of z.")]
DepthAxes = Annotated[str, typer.Option(help="Of a point map: opencv, opengl or pytorch3d.")]
Formats = Annotated[
    str, typer.Option("--format", "-f", help="Of glb, obj, ply, bvh, npz and json, joined by commas.")
]
FromJob = Annotated[str | None, typer.Option(help="A segment job to go on from.")]


@dataclass(slots=True)
class State:
    """What the root command read."""

    server: str | None
    api_key: str | None
    as_json: bool

    def client(self) -> Maquette:
        """A client for the service."""
        return Maquette(self.server, api_key=self.api_key)


def sources(patterns: list[str]) -> list[MediaInput]:
    """Files, addresses and globs as a list of media; raises FileNotFoundError for a glob of nothing."""
    found: list[MediaInput] = []
    for pattern in patterns:
        if pattern.startswith(("https://", "http://")):
            found.append(pattern)
            continue
        # Path.glob takes no absolute patterns
        matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
        if not matches:
            raise FileNotFoundError(f"no file matches {pattern}")
        found.extend(Path(match) for match in matches)
    return found


def boxes(given: list[str] | None) -> list[list[float]]:
    """Boxes from 'x0,y0,x1,y1'."""
    return [_numbers(text, (4,), "a box is x0,y0,x1,y1") for text in given or ()]


def video_exemplars(given: list[str] | None) -> list[dict[str, Any]]:
    """Boxes on frames from 'frame,x0,y0,x1,y1' or 'frame,phrase,x0,y0,x1,y1'."""
    found = []
    for text in given or ():
        frame, *rest = _numbers(text, (5, 6), "an exemplar is frame,x0,y0,x1,y1 or frame,phrase,x0,y0,x1,y1")
        found.append({"frame": frame, "phrase": rest[0] if len(rest) == 5 else 0, "box": rest[-4:]})
    return found


def points(given: list[str] | None) -> list[list[list[float]]]:
    """Objects from 'x,y' or 'x,y,label', joined by ';'."""
    return [
        [_numbers(part, (2, 3), "a point is x,y or x,y,label") for part in text.split(";")]
        for text in given or ()
    ]


def thresholds(given: list[float] | None, text: list[str] | None) -> dict[str, Any]:
    """The client's `threshold` for all, or `thresholds` with one for each phrase."""
    phrases = len(text or ())
    if given and len(given) not in (1, phrases):
        raise typer.BadParameter(f"{len(given)} thresholds for {phrases} phrases: give one, or one for each")
    if not given or len(given) == 1:
        return {"threshold": given[0] if given else None}
    return {"thresholds": given}


def prompts(file: Path | None) -> list[dict[str, Any]]:
    """Object prompts from a JSON file."""
    if file is None:
        return []
    found = json.loads(file.read_text())
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise typer.BadParameter(f"{file} must hold a JSON list of objects")
    return found


def chosen(**switches: bool) -> list[Any]:
    """The names that are on."""
    return [name for name, on in switches.items() if on]


def camera(given: str | None) -> dict[str, float] | None:
    """Intrinsics from 'fx,fy,cx,cy'."""
    if given is None:
        return None
    fx, fy, cx, cy = _numbers(given, (4,), "a camera is fx,fy,cx,cy")
    return {"fx": fx, "fy": fy, "cx": cx, "cy": cy}


def depth(file: Path | None, unit: float | None, axes: str, *, distance: bool) -> dict[str, Any] | None:
    """A depth map's file and what is said of it."""
    if file is None:
        return None
    measures = "distance" if distance else "z"
    return {"media": file, "metres_per_unit": unit, "axes": axes, "measures": measures}


def formats(given: str) -> list[BodyFormat]:
    """Formats of bodies from 'glb,bvh'."""
    return cast(list[BodyFormat], named(given, BodyFormat))


def named(given: str, kinds: Any) -> list[str]:
    """Names joined by commas, each one of a Literal."""
    found = [part.strip() for part in given.split(",") if part.strip()]
    for part in found:
        if part not in get_args(kinds):
            raise typer.BadParameter(f"a format is one of {', '.join(get_args(kinds))}, not {part!r}")
    return found


def emit(data: Any) -> None:
    """Print JSON."""
    typer.echo(json.dumps(data, indent=1))


def _numbers(text: str, counts: tuple[int, ...], what: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts:
        raise typer.BadParameter(f"{what}, not {text!r}")
    return values
