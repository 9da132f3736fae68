"""The root of the command line: the service's address, and how errors are printed."""

import sys
from typing import Annotated

import typer

import maquette
from maquette.cli.context import CliContext
from maquette.cli.lazy_group import LazyCommand, LazyGroup, plain_typer
from maquette.plain_text import print_line
from maquette.settings import API_KEY_VARIABLE, DEFAULT_URL, URL_VARIABLE

# what the system answers about a file that a command names
UNREADABLE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
MEDIA, DATASETS, JOBS, SERVICE = "Images and videos", "Datasets", "Jobs", "Service"


class RootGroup(LazyGroup):
    """All commands of `maquette`."""

    lazy_commands = {
        "segment": LazyCommand(
            target="maquette.cli.segment:segment",
            summary="Segment everything that phrases, boxes, points and exemplars name in images.",
            panel=MEDIA,
        ),
        "track": LazyCommand(
            target="maquette.cli.track:track", summary="Track objects through videos.", panel=MEDIA
        ),
        "objects": LazyCommand(
            target="maquette.cli.objects:objects",
            summary="Reconstruct a mesh, a Gaussian splat and a pose per object.",
            panel=MEDIA,
        ),
        "bodies": LazyCommand(
            target="maquette.cli.bodies:bodies",
            summary="Recover rigged bodies of the people in images, animated ones of those in videos.",
            panel=MEDIA,
        ),
        "scene": LazyCommand(
            target="maquette.cli.scene:scene",
            summary="Place the objects and bodies of each image in one camera frame.",
            panel=MEDIA,
        ),
        "convert": LazyCommand(
            target="maquette.cli.convert:convert",
            summary="Convert splats (PLY, SPZ, SOG, .khr.glb) and meshes (GLB, OBJ, PLY).",
            panel=MEDIA,
        ),
        "session": LazyCommand(
            target="maquette.cli.sessions:app", summary="Annotate a video step by step.", panel=MEDIA
        ),
        "dataset": LazyCommand(
            target="maquette.cli.dataset:dataset_app",
            summary="Make datasets of clips and tracks from videos.",
            panel=DATASETS,
        ),
        "jobs": LazyCommand(target="maquette.cli.jobs:jobs", summary="List your latest jobs.", panel=JOBS),
        "get": LazyCommand(
            target="maquette.cli.jobs:get",
            summary="Show a job; with --out, wait for it and save its result.",
            panel=JOBS,
        ),
        "wait": LazyCommand(
            target="maquette.cli.jobs:wait",
            summary="Wait for jobs, and show their results; with --out, save them.",
            panel=JOBS,
        ),
        "cancel": LazyCommand(target="maquette.cli.jobs:cancel", summary="Ask a job to stop.", panel=JOBS),
        "link": LazyCommand(
            target="maquette.cli.jobs:link",
            summary="Print links to files of a job's result, which open without a key.",
            panel=JOBS,
        ),
        "delete": LazyCommand(
            target="maquette.cli.deletions:delete",
            summary="Delete jobs with their results, uploads, and single files of results.",
            panel=JOBS,
        ),
        "keys": LazyCommand(
            target="maquette.cli.keys:app",
            summary="List, create, rotate and revoke keys of your tenant.",
            panel=SERVICE,
        ),
        "audit": LazyCommand(
            target="maquette.cli.keys:audit",
            summary="Print deletions and administrative acts on your tenant as JSON lines.",
            panel=SERVICE,
        ),
        "usage": LazyCommand(
            target="maquette.cli.server:usage",
            summary="Show what your tenant uses and may use.",
            panel=SERVICE,
        ),
        "erase": LazyCommand(
            target="maquette.cli.deletions:erase",
            summary="Delete all your jobs, results, uploads and sessions.",
            panel=SERVICE,
        ),
        "engines": LazyCommand(
            target="maquette.cli.server:engines",
            summary="List the engines of the service, and why some cannot run.",
            panel=SERVICE,
        ),
        "up": LazyCommand(
            target="maquette.cli.server:up",
            summary="Run the embedded stack until Ctrl-C (needs maquette-server).",
            panel=SERVICE,
        ),
    }


app = plain_typer(
    cls=RootGroup,
    no_args_is_help=True,
    help="Masks, tracks, meshes, splats, bodies and datasets from images and videos.",
)


def print_version(is_asked: bool) -> None:
    """Print the version of this package and end."""
    if is_asked:
        print_line(f"maquette {maquette.__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    server: Annotated[
        str | None, typer.Option(help=f"Address of the service; else {URL_VARIABLE}, else {DEFAULT_URL}.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(help=f"API key; else {API_KEY_VARIABLE}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and no progress bars.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    """Call a Maquette service."""
    context.obj = CliContext(server, api_key, as_json)


def main() -> None:
    """Run the command line; errors end it with one line and status 1."""
    try:
        app()
    except Exception as error:
        explained = explain_error(error)
        if explained is None:
            raise
        from maquette.console import PlainConsole, styled

        kind, detail = explained
        PlainConsole(stderr=True).print(styled(kind, "red"), f": {detail}", sep="")
        sys.exit(1)


def explain_error(error: Exception) -> tuple[str, str] | None:
    """Return the code and the detail of an error that users can do something about; None for any other."""
    from maquette.errors import ApiError, MaquetteError
    from maquette.skipping import FILE_UNREADABLE

    if isinstance(error, ApiError):
        return error.code, error.problem.explain()
    if isinstance(error, MaquetteError | OSError | ValueError | RuntimeError):
        code = getattr(error, "code", FILE_UNREADABLE if isinstance(error, UNREADABLE) else None)
        return code if isinstance(code, str) else "error", str(error)
    return None
