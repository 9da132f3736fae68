"""`maquette-server models`: lists and verifies the shipped weights, and fetches others."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from maquette.plain_text import print_line

from workers.engines.model_catalog import TARGETS
from workers.engines.model_pull import LicenceNotAccepted, pull_target, verify_folder
from workers.engines.model_sources import RECORD
from workers.engines.weights import WeightsError, find_weight, load_manifest, models_dir

app = typer.Typer(help="List, verify and fetch the weights of engines.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the shipped weights with their source and licence."""
    rows: list[dict[str, Any]] = [
        {"file": w.file, "bytes": w.bytes, "licence": w.licence, "source": w.source, "sha256": w.sha256}
        for w in load_manifest().values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    print_line(f"in {models_dir()}:")
    for row in rows:
        print_line(f"  {row['file']:34} {row['bytes']:>11,}  {row['licence']:24} {row['source']}")


@app.command()
def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="A pulled folder; without it the shipped weights.")
    ] = None,
) -> None:
    """Compare every file with its SHA-256; exits with 1 if one is missing or differs."""
    try:
        checked = list(_verify_shipped() if folder is None else verify_folder(folder))
    except WeightsError as error:
        print_line(str(error), stderr=True)
        raise typer.Exit(1) from None
    for name, wrong in checked:
        print_line(f"{name}: {wrong or 'ok'}", stderr=wrong is not None)
    if any(wrong for _, wrong in checked):
        raise typer.Exit(1)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(TARGETS)}.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Where to put them; by default NAME in MAQUETTE_MODELS_DIR.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="A folder or bucket (s3://…) that was pulled elsewhere, or modelscope:ID."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence that is shown, without a question.")
    ] = False,
    revision: Annotated[
        list[str] | None, typer.Option(help="REPOSITORY=COMMIT, instead of the commit that was pulled first.")
    ] = None,
) -> None:
    """Fetch everything that an engine needs; what is complete is not fetched again."""

    def accept(licence: str) -> bool:
        print_line(f"{name} comes under: {licence}")
        return accept_licence or (sys.stdin.isatty() and typer.confirm("Have you read and do you accept it?"))

    if name not in TARGETS:
        print_line(f"{name!r} is neither of {', '.join(TARGETS)}", stderr=True)
        raise typer.Exit(1)
    chosen = dict(item.partition("=")[::2] for item in revision or ())
    target = folder or models_dir() / name
    try:
        files = pull_target(
            TARGETS[name], target, source=source, accept=accept, say=print_line, revisions=chosen
        )
    except LicenceNotAccepted as error:
        print_line(f"{error} with --accept-licence", stderr=True)
        raise typer.Exit(1) from None
    except WeightsError as error:
        print_line(str(error), stderr=True)
        raise typer.Exit(1) from None
    print_line(f"{len(files)} files in {target}; their sha256 are in {target / RECORD}")


def _verify_shipped() -> Iterator[tuple[str, str | None]]:
    for name in load_manifest():
        try:
            find_weight(name)
        except WeightsError as error:
            yield name, str(error)
        else:
            yield name, None
