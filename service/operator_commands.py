"""The gateway's commands for operators: the ledger's schema, API keys, and the OpenAPI document.

The ledger is imported when a command runs: help does without it.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from maquette.cli.lazy_group import plain_typer
from maquette.plain_text import print_line

if TYPE_CHECKING:
    from storage.ledger import Database

keys_app = plain_typer(help="Create, list, rotate and revoke API keys.", no_args_is_help=True)


class NoLedger(RuntimeError):
    """There is no ledger where the settings point to; nothing was created."""


def migrate(
    create: Annotated[
        bool, typer.Option("--create", help="Create an SQLite ledger that does not exist yet.")
    ] = False,
) -> None:
    """Migrate the ledger's schema to the newest version."""
    from service.settings import ServiceSettings
    from storage.ledger import Database

    url = ServiceSettings().database_url
    if not create:
        _check_file(url, "the server creates it when it starts, and this command with --create")
    Database(url).migrate()


def openapi(out: Annotated[Path, typer.Argument(help="The file.")] = Path("docs/openapi.json")) -> None:
    """Write the OpenAPI document to a file."""
    from service.app import create_app

    out.write_text(json.dumps(create_app().openapi(), indent=1, sort_keys=True) + "\n")


@keys_app.command("create")
def create_key(
    tenant: Annotated[str, typer.Argument(help="Who owns what is made with the key.")],
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do: read, write, admin. By default read and write.")
    ] = None,
    expires_days: Annotated[float | None, typer.Option(help="After how many days it expires.")] = None,
) -> None:
    """Create an API key and print its secret, which is not stored.

    `read` reads, `write` uploads, submits, cancels and deletes, `admin` deletes everything of the tenant.
    """
    from storage.ledger import keys
    from storage.ledger.audit import find_operator

    chosen = scope or keys.DEFAULT_SCOPES
    secret = keys.create(
        open_ledger(), tenant, name, find_operator(), scopes=chosen, expires_days=expires_days
    )
    typer.echo(secret)


@keys_app.command("list")
def list_keys(
    long: Annotated[
        bool, typer.Option("--long", help="Show scopes, expiry and last use as well, in UTC.")
    ] = False,
) -> None:
    """List the valid keys, without their secrets."""
    from storage.ledger import keys

    for key in keys.list_open(open_ledger()):
        line = f"{key.id}  {key.tenant}  {key.name}"
        if long:
            scopes = ",".join(scope for scope in keys.SCOPES if scope in key.scopes)
            line += (
                f"  {scopes}  expires {_format_time(key.expires_at)}  used {_format_time(key.last_used_at)}"
            )
        print_line(line)


@keys_app.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")],
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="How long the old key stays valid beside the new one.")
    ] = 24.0,
) -> None:
    """Create a key in place of another one, and print its secret; the old one expires after the overlap."""
    from storage.ledger import keys
    from storage.ledger.audit import find_operator

    secret = keys.rotate(open_ledger(), key_id, overlap_hours * 3600, find_operator())
    if secret is None:
        raise typer.BadParameter(f"no valid key has the id {key_id}")
    typer.echo(secret)


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.")],
) -> None:
    """Revoke an API key."""
    from storage.ledger import keys
    from storage.ledger.audit import find_operator

    if not keys.revoke(open_ledger(), key_id, find_operator()):
        raise typer.BadParameter(f"no valid key has the id {key_id}")


def open_ledger() -> "Database":
    """Open the ledger of the settings; raises NoLedger where there is none, and creates nothing."""
    from sqlalchemy import inspect, make_url

    from service.settings import ServiceSettings
    from storage.ledger import Database
    from storage.ledger.tables import api_keys

    url = ServiceSettings().database_url
    _check_file(url, "run this where the server runs, or set MAQUETTE_DATABASE_URL to the server's")
    ledger = Database(url)
    if not inspect(ledger.engine).has_table(api_keys.name):
        raise NoLedger(f"no ledger in {make_url(url).render_as_string()}: run maquette-server migrate")
    return ledger


def _format_time(seconds: float | None) -> str:
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _check_file(url: str, advice: str) -> None:
    from storage.ledger.database import find_sqlite_file

    file = find_sqlite_file(url)
    if file is not None and not file.is_file():
        raise NoLedger(f"no ledger here: {file.absolute()} does not exist; {advice}")
