"""The columns of tables: the types of values, and how they are read off a row class."""

from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Strings = tuple[str, ...]
Floats = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column of a Parquet file; `kind` is str, int, float, bool, bytes, strings or floats."""

    name: str
    kind: str
    nullable: bool
    doc: str


_KINDS: dict[Any, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    bytes: "bytes",
    Strings: "strings",
    Floats: "floats",
}


def list_columns(row: type[Any]) -> tuple[ColumnSpec, ...]:
    """The columns of a row class, in order."""
    # mypy takes type[Any] for something that has no hash
    hashable: Any = row
    return _read_columns(hashable)


@cache
def _read_columns(row: type[Any]) -> tuple[ColumnSpec, ...]:
    hints = get_type_hints(row, include_extras=True)
    columns = []
    for item in fields(row):
        annotation, doc = get_args(hints[item.name])
        nullable = False
        # the hint of an optional field: typing gives Union, the | operator types.UnionType
        if get_origin(annotation) in (Union, UnionType):
            annotation = next(part for part in get_args(annotation) if part is not type(None))
            nullable = True
        columns.append(ColumnSpec(item.name, _KINDS[annotation], nullable, doc))
    return tuple(columns)
