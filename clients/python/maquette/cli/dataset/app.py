"""The group of commands; commands over folders come from the server's package where it is installed."""

from typing import Any

from maquette.cli.dataset.server_commands import FOLDER_COMMANDS, load_server_function
from maquette.cli.lazy_group import LazyCommand, LazyGroup, build_command, plain_typer


class DatasetGroup(LazyGroup):
    """Takes `maquette dataset VIDEOS ...` for `maquette dataset make VIDEOS ...`."""

    lazy_commands = {
        "make": LazyCommand(
            target="maquette.cli.dataset.make:make",
            summary="Make one dataset of clips and tracks from all videos together.",
        ),
        "run": LazyCommand(
            target="maquette.cli.dataset.run:run",
            summary="Make a dataset as a plan file says; `plan-template` writes one to start from.",
        ),
        "plan-template": LazyCommand(
            target="maquette.cli.dataset.run:plan_template",
            summary="Print a plan with every key explained, or write it to a file.",
        ),
        "regate": LazyCommand(
            target="maquette.cli.dataset.regate:regate",
            summary="Decide a finished dataset by other bounds, into a new version; no video is read.",
        ),
        "review": LazyCommand(
            target="maquette.cli.dataset.review:review",
            summary="Keep or reject clips and tracks by hand, into a new version; no video is read.",
        ),
        "inspect": LazyCommand(
            target="maquette.cli.dataset.inspect:inspect",
            summary="Show what a dataset holds and how it was made.",
        ),
        "serve": LazyCommand(
            target="maquette.cli.dataset.serve:serve",
            summary="Serve the report and the files over HTTP, read-only, until Ctrl-C.",
        ),
        **FOLDER_COMMANDS,
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `make` before arguments that begin with no command."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["make", *args]
        return super().parse_args(ctx, args)

    def load_command(self, name: str) -> Any:
        """Import a command; raises MaquetteError where the server's package is needed and missing."""
        if name in FOLDER_COMMANDS:
            self.add_command(build_command(name, load_server_function(name)), name)
            return self.commands[name]
        return super().load_command(name)


dataset_app = plain_typer(
    cls=DatasetGroup, no_args_is_help=True, help="Make datasets of clips and tracks from videos."
)


@dataset_app.callback()
def root() -> None:
    """Make datasets of clips and tracks from videos."""
