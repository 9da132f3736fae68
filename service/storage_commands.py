"""`maquette-server storage`: remove what is not needed, and compare the store with the ledger."""

from typing import TYPE_CHECKING, Annotated

import typer
from maquette.cli.lazy_group import plain_typer
from maquette.plain_text import print_line

from service.operator_commands import open_ledger

if TYPE_CHECKING:
    from storage.artefacts import ArtefactStore

storage_app = plain_typer(help="Remove what is not needed, and check what is stored.", no_args_is_help=True)
# status of `storage check` that has found differences
DIFFERENT = 3
# parts and checkpoints of jobs from before references were recorded are younger: a job runs a day at most
MIN_AGE_HOURS = 7 * 24.0


@storage_app.command()
def collect(
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after this long; the next round goes on.")
    ] = None,
) -> None:
    """Delete what is older than it is kept, and remove files that nothing needs any more."""
    from service.dispatch.collector_thread import build_collector
    from service.settings import ServiceSettings

    report = build_collector(open_ledger(), open_artefacts(), ServiceSettings()).collect(seconds)
    print_line(str(report))


@storage_app.command()
def check(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Have unknown files collected, forget lost uploads, and let lost artefacts answer 410.",
        ),
    ] = False,
    read_all: Annotated[
        bool, typer.Option("--read-all", help="Compare the content of every file with its hash; it is read.")
    ] = False,
    min_age_hours: Annotated[
        float, typer.Option(min=0, help="Leave out what is younger: it may be about to be stored.")
    ] = MIN_AGE_HOURS,
) -> None:
    """Compare the store with the ledger both ways; exit status 3 when they differ.

    An unknown file is one that no row names, a lost file one that is not in the store any more. Files whose
    names are no hashes and damaged ones are only reported.
    """
    from storage.checking import check_store
    from storage.ledger import audit

    ledger = open_ledger()
    seconds = min_age_hours * 3600
    report = check_store(ledger, open_artefacts(), min_age_seconds=seconds, repair=repair, read_all=read_all)
    if repair and report.counts:
        with ledger.write() as connection:
            audit.record(connection, audit.find_operator(), "storage.repair", detail=report.counts)
    for item in report.differences:
        owners = f"  needed by {', '.join(item.needed_by)}" if item.needed_by else ""
        print_line(f"{item.kind}  {item.sha256}  {item.bytes:,} bytes{owners}")
    print_line(f"{report.files:,} files, {report.bytes:,} bytes")
    for kind, count in report.counts.items():
        print_line(f"{count:,} {kind}{', repaired' if repair else ''}")
    if report.counts and not repair:
        raise typer.Exit(DIFFERENT)


def open_artefacts() -> "ArtefactStore":
    """Open the store of the settings."""
    from service.settings import ServiceSettings
    from storage.artefacts import open_store

    settings = ServiceSettings()
    return open_store(settings.artefacts, settings.scratch, settings.s3_endpoint)
