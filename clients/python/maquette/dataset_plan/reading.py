"""Read plans from TOML files, and change single keys of them."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import RootModel, ValidationError

from maquette.dataset_plan.errors import PlanError, explain
from maquette.dataset_plan.schema import DatasetPlan, PlanSource
from maquette.dataset_plan.uploads import is_upload
from maquette.dataset_plan.writing import format_value
from maquette.sources.buckets import is_bucket
from maquette.sources.globs import is_web_address
from maquette.sources.text_files import read_text

Table = dict[str, Any]


def read_plan(path: Path, changes: Iterable[str] = ()) -> DatasetPlan:
    """Read a plan and apply changes of the form `key=value`, where `key` is a dotted name.

    Paths in the file are relative to its folder, paths in changes to the current one. Raises PlanError,
    OSError.
    """
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path}: {error}") from error
    _resolve_paths(table, path.parent)
    return build_plan(table, changes, name=str(path))


def parse_plan(text: str) -> DatasetPlan:
    """Return the plan of a text whose paths are absolute; raises PlanError."""
    try:
        return build_plan(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PlanError(str(error)) from error


def build_plan(table: Table, changes: Iterable[str] = (), *, name: str = "the plan") -> DatasetPlan:
    """Validate the content of a plan after changes of the form `key=value`; raises PlanError."""
    for change in changes:
        table = merge(table, _parse_change(change))
    try:
        return DatasetPlan.model_validate(table)
    except ValidationError as error:
        raise PlanError(f"{name}: {explain(error, DatasetPlan)}") from error


def merge(table: Table, changes: Table) -> Table:
    """Return a table with the values of another one set in it."""
    merged = dict(table)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def read_sources(path: Path) -> dict[str, PlanSource]:
    """Read what is known of single videos from JSON; paths of depth are relative to its folder."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise PlanError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise PlanError(f"{path} must map names of videos to what is known of them")
    for source in content.values():
        _resolve_depth(source, path.parent)
    model = RootModel[dict[str, PlanSource]]
    try:
        return model.model_validate(content).root
    except ValidationError as error:
        raise PlanError(f"{path}: {explain(error, model)}") from error


def _parse_change(change: str) -> Table:
    """Parse `key=value` as TOML; a value that is not TOML is a string, so that quotes are not needed.

    What begins as a list, a table or a quoted string has to be one: it was meant to be TOML.
    """
    key, separator, text = change.partition("=")
    values = [text]
    if not text.strip().startswith(("[", "{", '"', "'")):
        values.append(format_value(text.strip()))
    for value in values if separator else ():
        try:
            return tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            continue
    raise PlanError(f"{change!r}: a change has the form key=value, with a dotted key and a value in TOML")


def _resolve_paths(table: Table, folder: Path) -> None:
    """Make the paths of a plan absolute; wrong types are left to the validation."""
    inputs, outputs = table.get("input"), table.get("output")
    if isinstance(inputs, dict):
        videos = inputs.get("videos")
        if isinstance(videos, str):
            inputs["videos"] = _resolve_address(videos, folder)
        elif isinstance(videos, list):
            inputs["videos"] = [_resolve_address(address, folder) for address in videos]
        _resolve_key(inputs, "sources_file", folder)
        _resolve_depth(inputs, folder)
        sources = inputs.get("sources")
        for source in sources.values() if isinstance(sources, dict) else ():
            _resolve_depth(source, folder)
    if isinstance(outputs, dict):
        _resolve_key(outputs, "folder", folder)


def _resolve_depth(table: Any, folder: Path) -> None:
    """Make the path at `depth`, or at `depth.media`, absolute."""
    if isinstance(table, dict):
        depth = table.get("depth")
        if isinstance(depth, dict):
            _resolve_key(depth, "media", folder)
        else:
            _resolve_key(table, "depth", folder)


def _resolve_key(table: Table, key: str, folder: Path) -> None:
    # an empty path is left to the validation: it would be the folder itself
    if isinstance(table.get(key), str) and table[key]:
        table[key] = str(folder.absolute() / table[key])


def _resolve_address(address: Any, folder: Path) -> Any:
    """Make the path of a video absolute, but not an address on the network or an upload."""
    if (
        not isinstance(address, str)
        or not address
        or is_bucket(address)
        or is_web_address(address)
        or is_upload(address)
    ):
        return address
    if (folder / address).exists():
        return str(folder.absolute() / address)
    marker, path = ("@", address[1:]) if address.startswith("@") else ("", address)
    return f"{marker}{folder.absolute() / path}"
