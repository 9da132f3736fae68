"""`maquette-server audit`: who deleted and changed what, when, and from where."""

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from maquette.cli.lazy_group import plain_typer

from service.operator_commands import open_ledger

audit_app = plain_typer(help="Read the log of deletions and administrative acts.", no_args_is_help=True)


@audit_app.callback()
def root() -> None:
    """Read the log of deletions and administrative acts."""


@audit_app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="The file; else standard output.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="From this time on, in UTC, as in 2026-01-31T12:00:00.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Up to this time, in UTC.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Acts on this tenant alone.")] = None,
) -> None:
    """Write the acts as JSON lines, oldest first."""
    import json
    from dataclasses import asdict

    from storage.ledger import audit

    acts = audit.list_acts(
        open_ledger(), since=_to_seconds(since) or 0.0, until=_to_seconds(until), tenant=tenant
    )
    with nullcontext() if out is None else out.open("w", encoding="utf-8") as file:
        for act in acts:
            line = json.dumps({**asdict(act), "at": datetime.fromtimestamp(act.at, UTC).isoformat()})
            if file is None:
                typer.echo(line)
            else:
                file.write(line + "\n")


def _to_seconds(time: datetime | None) -> float | None:
    return None if time is None else time.replace(tzinfo=UTC).timestamp()
