"""`maquette dataset inspect`."""

from typing import Any

import typer
from rich.table import Table

from maquette.cli.context import get_context, print_json
from maquette.cli.dataset.folders import DatasetFolder, read_manifest
from maquette.console import PlainConsole


def inspect(context: typer.Context, folder: DatasetFolder) -> None:
    """Show what a dataset holds and how it was made."""
    manifest = read_manifest(folder)
    if get_context(context).as_json:
        print_json(manifest)
        return
    console = PlainConsole()
    console.print(f"schema {manifest['schema_version']}, policy {manifest['policy']}")
    for engine in manifest["engines"]:
        console.print(f"{engine['kind']}: {engine['name']} {engine['version']}")
    for parent in manifest["parents"]:
        console.print(f"parent {parent}")
    for table in (_totals(manifest), _files(manifest), _rejections(manifest), _unreadable(manifest)):
        if table.row_count:
            console.print(table)


def _totals(manifest: dict[str, Any]) -> Table:
    table = Table("what", "count")
    for name, value in manifest["totals"].items():
        table.add_row(name, f"{value:,.10g}")
    return table


def _files(manifest: dict[str, Any]) -> Table:
    table = Table("table", "files", "rows", "bytes")
    for name, files in manifest["tables"].items():
        rows = sum(file.get("rows", 0) for file in files)
        size = sum(file["bytes"] for file in files)
        table.add_row(name, str(len(files)), f"{rows:,}", f"{size:,}")
    return table


def _rejections(manifest: dict[str, Any]) -> Table:
    table = Table("gate", "rejected")
    for name, count in manifest["rejected"].items():
        table.add_row(name, str(count))
    return table


def _unreadable(manifest: dict[str, Any]) -> Table:
    table = Table("video left out", "reason")
    for name, code in sorted(manifest.get("unreadable", {}).items()):
        table.add_row(name, code)
    return table
