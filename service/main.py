"""`maquette-server`: commands for operators."""

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from service.settings import ServiceSettings
from storage.ledger import Database, keys

app = typer.Typer(help="Operate a Maquette server.", no_args_is_help=True)
keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")


@app.command()
def migrate() -> None:
    """Migrate the ledger's schema to the newest version."""
    Database(ServiceSettings().database_url).migrate()


@app.command()
def openapi(out: Annotated[Path, typer.Argument()] = Path("docs/openapi.json")) -> None:
    """Write the OpenAPI document to a file."""
    from service.app import create_app

    out.write_text(json.dumps(create_app().openapi(), indent=1, sort_keys=True) + "\n")


@keys_app.command("create")
def create_key(tenant: str, name: str) -> None:
    """Create an API key and print its secret, which is not stored."""
    typer.echo(keys.create(Database(ServiceSettings().database_url), tenant, name))


@keys_app.command("list")
def list_keys() -> None:
    """List the valid keys, without their secrets."""
    for key in keys.list_open(Database(ServiceSettings().database_url)):
        typer.echo(f"{key.id}  {key.tenant}  {key.name}")


@keys_app.command("revoke")
def revoke_key(key_id: str) -> None:
    """Revoke an API key."""
    if not keys.revoke(Database(ServiceSettings().database_url), key_id):
        raise typer.BadParameter(f"no valid key has the id {key_id}")


def main() -> None:
    """The entry point of `maquette-server`; workers add their commands as entry points."""
    for point in entry_points(group="maquette.server"):
        app.add_typer(point.load(), name=point.name)
    app()
