"""Folders of datasets."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from maquette.sources.text_files import read_text

DatasetFolder = Annotated[Path, typer.Argument(help="Folder of a dataset.")]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a dataset's manifest; raises FileNotFoundError for a folder that is not a dataset."""
    path = folder / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a dataset: it has no dataset.json")
    manifest: dict[str, Any] = json.loads(read_text(path))
    return manifest
