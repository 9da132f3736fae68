"""`maquette-server models`: lists and verifies the shipped weights, and fetches others."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from maquette.plain_text import print_line

from workers.engines.bodies.mhr import assets as mhr
from workers.engines.weights import WeightsError, find_weight, load_manifest, models_dir

app = typer.Typer(help="List, verify and fetch the weights of engines.", no_args_is_help=True)
GATED = ("sam3",)


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
def verify() -> None:
    """Compare every file with its SHA-256; exits with 1 if one is missing or differs."""
    broken = 0
    for name in load_manifest():
        try:
            find_weight(name)
        except WeightsError as error:
            broken += 1
            print_line(f"{name}: {error}", stderr=True)
        else:
            print_line(f"{name}: ok")
    if broken:
        raise typer.Exit(1)


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="mhr (Apache-2.0) or sam3 (gated, needs HF_TOKEN).")],
    folder: Annotated[Path, typer.Argument(help="The folder to put them in.")],
    source: Annotated[str | None, typer.Option(help="A local file or another URL.")] = None,
) -> None:
    """Fetch weights that are not shipped; sizes and hashes are checked before anything is unpacked."""
    try:
        files = _pull(name, folder, source)
    except WeightsError as error:
        print_line(str(error), stderr=True)
        raise typer.Exit(1) from None
    for file, sha256 in files.items():
        print_line(f"{sha256}  {file}")


def _pull(name: str, folder: Path, source: str | None) -> dict[str, str]:
    if name == "mhr":
        return dict(mhr.pull(folder, source))
    if name in GATED:
        try:
            from workers.engines.concepts.sam3.transformers_backend.weights import copy_weights
        except ImportError as error:
            raise WeightsError(f"install maquette-server[sam3] first ({error})") from error
        return dict(copy_weights(folder, source))
    raise WeightsError(f"{name!r} is neither mhr nor one of {', '.join(GATED)}")
