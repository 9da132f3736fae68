"""Options that commands share; help, ranges and defaults come from the contract."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel

from maquette.contract import DepthMap, Generation, ObjectsJob, SegmentJob
from maquette.contract.base import describe_field


def field_option(model: type[BaseModel], name: str, *flags: str, help: str | None = None) -> Any:
    """Return an option for a field of a request, with the field's description and range."""
    bounds = _bounds(model, name)
    return typer.Option(
        *flags,
        help=help or _describe(model, name),
        min=bounds.get("minimum"),
        max=bounds.get("maximum"),
    )


def _describe(model: type[BaseModel], name: str) -> str:
    """Return a field's description, in which other fields stand as options."""

    def to_option(match: re.Match[str]) -> str:
        field = match[1]
        return f"--{field.replace('_', '-')}" if field in model.model_fields else field

    return re.sub(r"`(\w+)`", to_option, describe_field(model, name))


def _bounds(model: type[BaseModel], name: str) -> dict[str, Any]:
    """Return the part of a field's schema that may hold its range; of an optional field, its first type."""
    schema: dict[str, Any] = _properties(model)[name]
    options: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return options[0]


@cache
def _properties(model: type[BaseModel]) -> dict[str, Any]:
    properties: dict[str, Any] = model.model_json_schema()["properties"]
    return properties


EngineName = Annotated[str, field_option(SegmentJob, "engine")]
Seed = Annotated[int, field_option(SegmentJob, "seed")]
Timeout = Annotated[int, field_option(SegmentJob, "timeout_seconds", "--timeout")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder to save the result in; of several inputs, each gets a folder in it, called as the input "
        "is. A folder that holds a result is left alone, unless --overwrite is given.",
    ),
]


def _context_option(name: str, help: str) -> Any:
    """Return an option that is kept as a field of the context, so that commands need not hand it on."""

    def keep(context: typer.Context, value: bool) -> None:
        if value:
            context.obj = replace(context.obj, **{name: True})

    flag = f"--{name.replace('_', '-')}"
    return typer.Option(flag, help=help, callback=keep, expose_value=False)


CancelOnInterrupt = Annotated[
    bool, _context_option("cancel_on_interrupt", "On Ctrl-C, cancel the jobs, which otherwise go on.")
]
Overwrite = Annotated[
    bool, _context_option("overwrite", "With --out, replace earlier results and files of the same names.")
]

Strict = Annotated[
    bool, typer.Option("--strict", help="End at the first input that cannot be used, instead of skipping it.")
]

Images = Annotated[list[str], typer.Argument(help="Images: files, globs or https addresses.")]
Videos = Annotated[
    list[str],
    typer.Argument(
        help="Videos: files, folders of numbered frames (10 per second), globs or https addresses."
    ),
]

PHRASE_HELP = "A phrase, or several joined by commas; repeatable."
Text = Annotated[list[str] | None, typer.Option("--text", "-t", help=PHRASE_HELP)]
RequiredText = Annotated[list[str], typer.Option("--text", "-t", help=PHRASE_HELP)]
Boxes = Annotated[
    list[str] | None,
    typer.Option("--box", "-b", help="A box around one object: x0,y0,x1,y1 in pixels; repeatable."),
]
Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point", "-p", help="One object by points: x,y or x,y,label, several joined by ';'; repeatable."
    ),
]
MaskFiles = Annotated[
    list[Path] | None, typer.Option("--mask", help="A PNG with the mask of one object or person; repeatable.")
]
MaskLabels = Annotated[
    list[str] | None,
    typer.Option("--mask-label", help="What a mask shows: one per --mask, '-' where unknown; repeatable."),
]
Exemplars = Annotated[
    list[str] | None,
    typer.Option(
        "--exemplar",
        "-e",
        help="x0,y0,x1,y1 around an example: finds everything like it. x0,y0,x1,y1@FILE: the example is in "
        "another image, a file or an address; repeatable.",
    ),
]
CounterExemplars = Annotated[
    list[str] | None,
    typer.Option("--counter", help="As --exemplar, around an example of what is not meant; repeatable."),
]
VideoExemplars = Annotated[
    list[str] | None,
    typer.Option(
        "--exemplar",
        "-e",
        help="frame,x0,y0,x1,y1 around an example of the first phrase, or frame,phrase,x0,y0,x1,y1 with the "
        "phrase's index from 0; repeatable.",
    ),
]
VideoCounterExemplars = Annotated[
    list[str] | None,
    typer.Option("--counter", help="As --exemplar, around an example of what is not meant; repeatable."),
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        help="JSON file: a list of objects, each with a box, points or a mask; of videos also with a frame, "
        "and with object and remove to correct or end an object."
    ),
]
Thresholds = Annotated[
    list[float] | None,
    typer.Option(
        "--threshold",
        help="Lowest score of an instance that a phrase finds: once for all phrases, or once per phrase.",
    ),
]

POSES_HELP = "JSON file: a list of camera poses, a 4x4 matrix in metres per frame of the video; "

FromJob = Annotated[str | None, field_option(ObjectsJob, "from_job")]
CameraOption = Annotated[
    str | None,
    typer.Option(help="Intrinsics fx,fy,cx,cy in pixels of the full image; else EXIF or an estimate."),
]
DepthFile = Annotated[
    Path | None,
    typer.Option("--depth", help="Depth map of the image: a 16-bit or float PNG or TIFF, or a NumPy file."),
]
DepthUnit = Annotated[float | None, field_option(DepthMap, "metres_per_unit")]
DepthDistance = Annotated[
    bool, typer.Option("--depth-distance", help="Depths are distances along rays instead of z.")
]
DepthAxes = Annotated[Literal["opencv", "opengl", "pytorch3d"], field_option(DepthMap, "axes")]

Placed = Annotated[bool, typer.Option("--placed", help="Write the posed mesh drawn over the image.")]
Turntable = Annotated[bool, typer.Option("--turntable", help="Write a video of the turning asset.")]
TurntableSize = Annotated[int, field_option(ObjectsJob, "turntable_size")]
TurntableSeconds = Annotated[float, field_option(ObjectsJob, "turntable_seconds")]
Simulation = Annotated[bool, typer.Option("--simulation", help="Write URDF and MJCF with meshes.")]
Density = Annotated[float, field_option(ObjectsJob, "density")]
LongestSide = Annotated[float | None, field_option(ObjectsJob, "longest_side_m", "--longest-side")]


Pointmap = Annotated[bool, typer.Option("--pointmap", help="Write the point map of the image.")]
GroundFile = Annotated[
    Path | None,
    typer.Option("--ground", help="A PNG with the mask of the floor: reports the plane that it shows."),
]
Coarse = Annotated[bool, typer.Option("--coarse", help=_describe(Generation, "coarse"))]
ShapeSteps = Annotated[int | None, field_option(Generation, "shape_steps")]
ShapeGuidance = Annotated[float | None, field_option(Generation, "shape_guidance")]
DetailSteps = Annotated[int | None, field_option(Generation, "detail_steps")]
DetailGuidance = Annotated[float | None, field_option(Generation, "detail_guidance")]


def formats_option(model: type[BaseModel]) -> Any:
    """Return the option for a job's output formats."""
    names = ", ".join(_properties(model)["formats"]["items"]["enum"])
    return typer.Option("--format", "-f", help=f"Formats to write, joined by commas: {names}.")
