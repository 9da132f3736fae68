"""`maquette convert`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.context import get_context, print_json
from maquette.cli.job_watch import JobWatch
from maquette.cli.output import keeping_result
from maquette.console import PlainConsole
from maquette.contract import AssetFormat, ConvertJob
from maquette.contract.defaults import CONVERT
from maquette.errors import OutputExists
from maquette.names import UniqueNames, split_suffix
from maquette.result_files import writing_whole

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.contract import ConvertResult
    from maquette.results import Result

# What a splat and then a mesh can be written as.
SUFFIXES = (
    *(".ply", ".spz", ".sog", ".khr.glb", ".splat", ".ksplat", ".html"),
    *(".glb", ".obj", ".stl", ".usdz"),
)


Views = Annotated[
    Path | None,
    typer.Option(
        "--views",
        exists=True,
        dir_okay=False,
        help="JSON list of cameras that a splat is rendered for: width, height, camera, world_from_cam.",
    ),
]
AntiAliased = Annotated[
    bool, typer.Option("--anti-aliased", help="Render small Gaussians with no more light than they have.")
]
Depth = Annotated[bool, typer.Option("--depth", help="Also write a depth map per view.")]


def convert(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A splat or a mesh.")],
    targets: Annotated[
        list[Path],
        typer.Argument(help="Files to write, or to replace; their suffixes choose the formats."),
    ],
    y_down: Annotated[bool, o.field_option(ConvertJob, "y_down", "--y-down")] = CONVERT.y_down,
    views: Views = None,
    anti_aliased: AntiAliased = CONVERT.anti_aliased,
    depth: Depth = CONVERT.depth,
    timeout_seconds: o.Timeout = CONVERT.timeout_seconds,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Convert splats (PLY, SPZ, SOG, .khr.glb) and meshes (GLB, OBJ, PLY).

    Splats are also written as .splat and .ksplat, meshes as STL and USDZ, and both as .html: a page that
    shows them in a browser, without internet. Images of --views are written beside the first file, and
    replace no other file.
    """
    cli = get_context(context)
    wanted = _group_targets(source, targets)
    with cli.client() as mq, JobWatch(cli) as watch:
        job = mq.convert(
            source,
            list(wanted),
            y_down=y_down,
            views=parsing.read_prompts(views),
            anti_aliased=anti_aliased,
            depth=depth,
            timeout_seconds=timeout_seconds,
        )
        result = watch.add(job, source.name).wait(progress=not cli.as_json)
        contents = _read_files(mq, result, wanted, targets[0])
    replaced = [file for file, content in contents.items() if file.exists() and file.read_bytes() != content]
    with keeping_result(job.id):
        for file, content in contents.items():
            with writing_whole(file) as partial:
                partial.write_bytes(content)
    if replaced:
        PlainConsole(stderr=True).print("replaced", ", ".join(map(str, replaced)))
    if cli.as_json:
        print_json({**result.data.model_dump(mode="json"), "flags": result.flags})
        return
    PlainConsole().print(f"{result.data.asset} ({result.data.source}): {', '.join(map(str, targets))}")
    for kind, files in wanted.items():
        if parts := result.data.dropped.get(kind):
            counts = ", ".join(f"{part.replace('_', ' ')}: {count}" for part, count in parts.items())
            PlainConsole(stderr=True).print(f"{', '.join(map(str, files))} leaves out {counts}")


def _group_targets(source: Path, targets: list[Path]) -> dict[AssetFormat, list[Path]]:
    """The files to write by their format; none may be the source."""
    wanted: dict[AssetFormat, list[Path]] = {}
    for target in dict.fromkeys(targets):
        if target.exists() and target.samefile(source):
            raise typer.BadParameter(f"{target} is the file to convert: give the new one another name")
        wanted.setdefault(_choose_format(target), []).append(target)
    return wanted


def _read_files(
    mq: "Maquette", result: "Result[ConvertResult]", wanted: dict[AssetFormat, list[Path]], first: Path
) -> dict[Path, bytes]:
    """The contents of all files to write; images of views lie beside the first target.

    Raises OutputExists where a file that nobody named would be replaced.
    """
    contents: dict[Path, bytes] = {}
    artefacts = {artefact.name: artefact for artefact in result.artefacts}
    for kind, files in wanted.items():
        contents |= dict.fromkeys(files, mq.read(artefacts.pop(result.data.files[kind])))
    names = UniqueNames()
    rendered = [name for view in result.data.views for name in (view.image, view.depth) if name]
    for name in rendered:
        file = first.parent / names.add(*split_suffix(f"{_remove_suffix(first)}-{name}"))
        contents[file] = _check_unused(file, mq.read(artefacts.pop(name)))
    # the textures of an OBJ, which names them
    for artefact in artefacts.values():
        name, content = names.add(*split_suffix(artefact.name)), mq.read(artefact)
        for target in wanted.get("obj", ()):
            contents[target.parent / name] = _check_unused(target.parent / name, content)
    return contents


def _check_unused(file: Path, content: bytes) -> bytes:
    """The content of a file beside a target; raises OutputExists where it would replace a file."""
    if file.exists() and file.read_bytes() != content:
        raise OutputExists(f"{file} is there already, and the result needs the name: choose another folder")
    return content


def _remove_suffix(target: Path) -> str:
    suffix = ".khr.glb" if _choose_format(target) == "khr_glb" else target.suffix
    return target.name[: -len(suffix)]


def _choose_format(target: Path) -> AssetFormat:
    name = target.name.lower()
    suffix = "khr_glb" if name.endswith(".khr.glb") else target.suffix.lower().lstrip(".")
    if suffix not in get_args(AssetFormat):
        raise typer.BadParameter(f"{target}: a file ends with {', '.join(SUFFIXES)}")
    return cast(AssetFormat, suffix)
