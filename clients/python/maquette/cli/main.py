"""The root of the command line: the service's address, and how errors are printed."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from maquette.cli import sessions
from maquette.cli.bodies import bodies
from maquette.cli.context import CliContext
from maquette.cli.convert import convert
from maquette.cli.dataset import dataset_app
from maquette.cli.jobs import cancel, get, jobs
from maquette.cli.objects import objects
from maquette.cli.scene import scene
from maquette.cli.segment import segment
from maquette.cli.server import engines, up
from maquette.cli.track import track
from maquette.console import PlainConsole, styled
from maquette.errors import ApiError, MaquetteError
from maquette.settings import API_KEY_VARIABLE, DEFAULT_URL, URL_VARIABLE

app = typer.Typer(
    help="Masks, tracks, meshes, splats, bodies and datasets from images and videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Images and videos": (segment, track, objects, bodies, scene, convert),
    "Jobs": (jobs, get, cancel),
    "Service": (engines, up),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(sessions.app, name="session", rich_help_panel="Images and videos")
app.add_typer(dataset_app, name="dataset", rich_help_panel="Datasets")


@app.callback()
def root(
    context: typer.Context,
    server: Annotated[
        str | None, typer.Option(help=f"Address of the service; else {URL_VARIABLE}, else {DEFAULT_URL}.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(help=f"API key; else {API_KEY_VARIABLE}.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and no progress bars.")] = False,
) -> None:
    """Call a Maquette service."""
    context.obj = CliContext(server, api_key, as_json)


def main() -> None:
    """Run the command line; errors end it with one line and status 1."""
    try:
        app()
    except ApiError as error:
        _print_error(error.code, error.problem.detail)
        sys.exit(1)
    except (MaquetteError, OSError, ValueError, RuntimeError) as error:
        _print_error("error", error)
        sys.exit(1)


def _print_error(kind: str, detail: object) -> None:
    PlainConsole(stderr=True).print(styled(kind, "red"), f": {detail}", sep="")
