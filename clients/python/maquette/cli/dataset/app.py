"""The group of commands; commands over folders come from the server's package where it is installed."""

from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from maquette.cli.dataset.inspect import inspect
from maquette.cli.dataset.make import make
from maquette.cli.dataset.run import plan_template, run
from maquette.cli.dataset.serve import serve
from maquette.cli.dataset.server_commands import ENTRY_POINT_GROUP, FOLDER_COMMANDS, explain_missing


class MakeByDefaultGroup(TyperGroup):
    """Takes `maquette dataset VIDEOS ...` for `maquette dataset make VIDEOS ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["make", *args]
        return super().parse_args(ctx, args)


def _build_app() -> typer.Typer:
    app = typer.Typer(
        cls=MakeByDefaultGroup, no_args_is_help=True, help="Make datasets of clips and tracks from videos."
    )
    for command in (make, run, plan_template, inspect, serve):
        app.command()(command)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name in FOLDER_COMMANDS:
        if name in installed:
            app.command(name)(installed[name].load())
        else:
            app.command(name, context_settings={"ignore_unknown_options": True})(explain_missing(name))
    return app


dataset_app = _build_app()
