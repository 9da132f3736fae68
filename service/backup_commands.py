"""`maquette-server backup` and `restore`: the ledger and the files of an installation in a folder."""

from pathlib import Path
from typing import Annotated

import typer
from maquette.plain_text import print_line

from service.operator_commands import open_ledger
from service.storage_commands import open_artefacts

FolderArgument = Annotated[Path, typer.Argument(help="The folder of the backup.")]


def backup(folder: FolderArgument) -> None:
    """Copy the ledger and all files to a folder while the server runs.

    What is there is not copied again, and files that the ledger does not name any more leave the folder.
    """
    from storage.backup import write_backup
    from storage.ledger import audit

    ledger = open_ledger()
    written = write_backup(ledger, open_artefacts(), folder)
    with ledger.write() as connection:
        detail = {"rows": written.rows, "files": written.files}
        audit.record(connection, audit.find_operator(), "storage.backup", detail=detail)
    print_line(f"{written.rows:,} rows, {written.files:,} files, {written.bytes:,} bytes in {folder}")
    if written.missing:
        print_line(f"{written.missing:,} files were not there: see maquette-server storage check")


def restore(folder: FolderArgument) -> None:
    """Make a new, empty installation what it was when a folder was written.

    The server must not run yet. The ledger may be of another kind than before, and the store elsewhere.
    """
    from service.settings import ServiceSettings
    from storage.backup import restore_backup
    from storage.ledger import Database, audit

    ledger = Database(ServiceSettings().database_url)
    restored = restore_backup(ledger, open_artefacts(), folder)
    with ledger.write() as connection:
        detail = {"rows": restored.rows, "files": restored.files}
        audit.record(connection, audit.find_operator(), "storage.restore", detail=detail)
    print_line(f"{restored.rows:,} rows, {restored.files:,} files, {restored.bytes:,} bytes from {folder}")
