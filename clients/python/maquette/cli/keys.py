"""`maquette keys` and `maquette audit`: for keys with the scope `admin`."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from maquette.cli import options as o
from maquette.cli.context import get_context, print_json
from maquette.cli.lazy_group import plain_typer
from maquette.console import PlainConsole
from maquette.contract import CreateKey
from maquette.contract.defaults import KEY, ROTATION
from maquette.plain_text import print_line

app = plain_typer(help="List, create, rotate and revoke keys of your tenant.", no_args_is_help=True)
KeyIdArgument = Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")]


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List the valid keys of your tenant, without their secrets."""
    cli = get_context(context)
    with cli.client() as mq:
        known = mq.keys()
    if cli.as_json:
        print_json([key.model_dump(mode="json") for key in known])
        return
    table = Table(Column("id", no_wrap=True), "name", "scopes", "expires", "last used")
    for key in known:
        times = (_format_time(key.expires_at), _format_time(key.last_used_at))
        table.add_row(key.id, key.name, ", ".join(key.scopes), *times)
    PlainConsole().print(table)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do: read, write, admin. By default read and write.")
    ] = None,
    expires_days: Annotated[float | None, o.field_option(CreateKey, "expires_days")] = None,
) -> None:
    """Create a key of your tenant and print its secret, which is not stored."""
    cli = get_context(context)
    with cli.client() as mq:
        secret = mq.create_key(name, scopes=scope or KEY.scopes, expires_days=expires_days)
    _print_secret(cli.as_json, secret)


@app.command()
def rotate(
    context: typer.Context,
    key_id: KeyIdArgument,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="How long the old key stays valid beside the new one.")
    ] = ROTATION.overlap_seconds / 3600,
) -> None:
    """Create a key in place of another one, and print its secret; the old one expires after the overlap."""
    cli = get_context(context)
    with cli.client() as mq:
        secret = mq.rotate_key(key_id, overlap_seconds=overlap_hours * 3600)
    _print_secret(cli.as_json, secret)


@app.command()
def revoke(context: typer.Context, key_id: KeyIdArgument) -> None:
    """Revoke a key of your tenant, and with it the links that it has made."""
    with get_context(context).client() as mq:
        mq.revoke_key(key_id)


def audit(context: typer.Context) -> None:
    """Print deletions and administrative acts on your tenant as JSON lines."""
    with get_context(context).client() as mq:
        for entry in mq.audit():
            typer.echo(entry.model_dump_json())


def _print_secret(as_json: bool, secret: str) -> None:
    if as_json:
        print_json({"secret": secret})
    else:
        print_line(secret)


def _format_time(time: datetime | None) -> str:
    return "never" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M")
