"""`maquette-server`: the root of the commands for operators; each is imported when it is used."""

import sys

from maquette.cli.lazy_group import LazyCommand, LazyGroup, find_entry_points, plain_typer
from maquette.plain_text import print_line

ENTRY_POINT_GROUP = "maquette.server"
# what other packages add is known by its name alone until it is used
SUMMARIES = {
    "models": "List, verify and fetch the weights of engines.",
    "gpu-workers": "Run one worker for each GPU, or each MIG part of one, until SIGTERM.",
    "smplx": "Convert bodies to SMPL-X and MHR with your own licensed model.",
    "eval": "Run a published benchmark on an engine and compare with the published figures.",
}


class ServerGroup(LazyGroup):
    """The gateway's commands, and those that other packages add as entry points."""

    lazy_commands = {
        "migrate": LazyCommand(
            target="service.operator_commands:migrate",
            summary="Migrate the ledger's schema to the newest version.",
        ),
        "openapi": LazyCommand(
            target="service.operator_commands:openapi", summary="Write the OpenAPI document to a file."
        ),
        "keys": LazyCommand(
            target="service.operator_commands:keys_app", summary="Create, list, rotate and revoke API keys."
        ),
        "login": LazyCommand(
            target="service.login_command:login",
            summary="Print a link that opens the Playground, logged in with a key; it works once.",
        ),
        "audit": LazyCommand(
            target="service.audit_commands:audit_app",
            summary="Read the log of deletions and administrative acts.",
        ),
        "backup": LazyCommand(
            target="service.backup_commands:backup",
            summary="Copy the ledger and all files to a folder while the server runs.",
        ),
        "restore": LazyCommand(
            target="service.backup_commands:restore",
            summary="Make a new, empty installation what it was when a folder was written.",
        ),
        "storage": LazyCommand(
            target="service.storage_commands:storage_app",
            summary="Remove what is not needed, and check what is stored.",
        ),
        "tenants": LazyCommand(
            target="service.tenant_commands:tenants_app",
            summary="Set what one tenant is allowed, and erase tenants.",
        ),
        **{
            name: LazyCommand(target=target, summary=SUMMARIES.get(name, f"Commands of {target}."))
            for name, target in find_entry_points(ENTRY_POINT_GROUP).items()
        },
    }


app = plain_typer(cls=ServerGroup, no_args_is_help=True, help="Operate a Maquette server.")


@app.callback()
def root() -> None:
    """Operate a Maquette server."""


def main() -> None:
    """The entry point of `maquette-server`; errors end it with one line and status 1."""
    try:
        app()
    except Exception as error:
        from sqlalchemy.exc import SQLAlchemyError

        if not isinstance(error, SQLAlchemyError | OSError | ValueError | RuntimeError):
            raise
        print_line(f"error: {explain(error)}", stderr=True)
        sys.exit(1)


def explain(error: Exception) -> str:
    """Return an error's message; SQLAlchemy wraps the driver's, and adds the statement and a link."""
    original = getattr(error, "orig", None) or error
    return str(original).strip() or type(original).__name__
