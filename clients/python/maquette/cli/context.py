"""What the root command read, for the commands below it."""

import atexit
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from maquette.client import Maquette


@dataclass(frozen=True, slots=True)
class CliContext:
    """The service to call and the kind of output to print."""

    server: str | None
    api_key: str | None
    as_json: bool
    cancel_on_interrupt: bool = False
    overwrite: bool = False

    def client(self) -> "Maquette":
        """Open a client for the service; a command that is run again joins the job that it started.

        It also goes on with an upload that was interrupted.
        """
        from maquette.client import Maquette
        from maquette.progress import UploadBar

        bar = None if self.as_json else UploadBar()
        if bar is not None:
            # after Ctrl-C, say what is kept
            atexit.register(bar.close)
        return Maquette(self.server, api_key=self.api_key, join_running=True, on_upload=bar)


def get_context(context: typer.Context) -> CliContext:
    """Return what the root command read."""
    cli: CliContext = context.obj
    return cli


def print_json(data: Any) -> None:
    """Print data as JSON."""
    typer.echo(json.dumps(data, indent=1))
