"""The commands' root: the server, its options, and the way errors are told."""

import sys

import typer
from rich.console import Console

from maquette.cli import bodies, convert, dataset, fleet, media, sessions
from maquette.cli.options import State
from maquette.errors import ApiError, MaquetteError

app = typer.Typer(
    help="Masks, splats, meshes, bodies and datasets from images and videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
media.register(app)
bodies.register(app)
convert.register(app)
dataset.register(app)
fleet.register(app)
app.add_typer(sessions.app, name="session")


@app.callback()
def root(
    context: typer.Context,
    server: str | None = typer.Option(None, envvar="MAQUETTE_URL", help="Address of the service."),
    api_key: str | None = typer.Option(None, envvar="MAQUETTE_API_KEY", help="API key."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON and no progress bars."),
) -> None:
    """Talk to a Maquette service."""
    context.obj = State(server, api_key, as_json)


def main() -> None:
    """Run the command line; a problem ends it with one line and status 1."""
    try:
        app()
    except ApiError as error:
        Console(stderr=True).print(f"[red]{error.code}[/red]: {error.problem.detail}", highlight=False)
        sys.exit(1)
    except (MaquetteError, OSError, ValueError, RuntimeError) as error:
        Console(stderr=True).print(f"[red]error[/red]: {error}", highlight=False)
        sys.exit(1)
