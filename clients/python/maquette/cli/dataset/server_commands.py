"""Functions of the server's package, which this one finds by entry points."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer

from maquette.errors import MaquetteError

ENTRY_POINT_GROUP = "maquette.datasets"
FOLDER_COMMANDS = ("verify", "diff", "append", "export", "import-movi")


def load_server_function(name: str) -> Callable[..., Any]:
    """Load a function of the server's package; raises MaquetteError where it is not installed."""
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == name:
            function: Callable[..., Any] = point.load()
            return function
    raise MaquetteError(f"{name!r} needs the package maquette-server")


def explain_missing(name: str) -> Callable[..., None]:
    """Return a command that says which package it needs."""

    def command(arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        load_server_function(name)

    command.__doc__ = "Not available: needs the package maquette-server."
    return command
