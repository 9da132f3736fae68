"""The gateway's commands for operators: the ledger's schema, API keys, and the OpenAPI document.

The ledger is imported when a command runs: help does without it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from maquette.cli.lazy_group import plain_typer
from maquette.plain_text import print_line

if TYPE_CHECKING:
    from storage.ledger import Database

keys_app = plain_typer(help="Create, list and revoke API keys.", no_args_is_help=True)


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
) -> None:
    """Create an API key and print its secret, which is not stored."""
    from storage.ledger import keys
    from storage.ledger.audit import find_operator

    typer.echo(keys.create(open_ledger(), tenant, name, find_operator()))


@keys_app.command("list")
def list_keys() -> None:
    """List the valid keys, without their secrets."""
    from storage.ledger import keys

    for key in keys.list_open(open_ledger()):
        print_line(f"{key.id}  {key.tenant}  {key.name}")


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


def _check_file(url: str, advice: str) -> None:
    from storage.ledger.database import find_sqlite_file

    file = find_sqlite_file(url)
    if file is not None and not file.is_file():
        raise NoLedger(f"no ledger here: {file.absolute()} does not exist; {advice}")
