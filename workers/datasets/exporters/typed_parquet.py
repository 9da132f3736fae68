"""Parquet files of columns, for formats whose readers expect types that the record does not have."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import arro3.io
import numpy as np
from arro3.core import Array, DataType, Field, Schema, Table, list_array, struct_array

SCALARS = {
    "bool": DataType.bool(),
    "int64": DataType.int64(),
    "float32": DataType.float32(),
    "float64": DataType.float64(),
    "string": DataType.utf8(),
    "binary": DataType.binary(),
}


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of any length."""

    item: "ColumnType"


@dataclass(frozen=True, slots=True)
class StructType:
    """Named parts; a value is a mapping, or None."""

    parts: tuple[tuple[str, "ColumnType"], ...]


ColumnType = str | ListType | StructType


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """Values of one kind; None is null."""

    kind: ColumnType
    values: Sequence[Any]


def encode_parquet(
    columns: Mapping[str, TypedColumn], *, metadata: Mapping[str, str] | None = None, rows_a_group: int = 1000
) -> bytes:
    """One Parquet file; blobs stay as they are, because pictures do not get smaller."""
    arrays = [_array(column.kind, column.values) for column in columns.values()]
    fields = [Field(name, array.type) for name, array in zip(columns, arrays, strict=True)]
    table = Table.from_arrays(arrays, schema=Schema(fields))
    out = io.BytesIO()
    arro3.io.write_parquet(
        table,
        out,
        compression="zstd(3)",
        max_row_group_size=max(1, rows_a_group),
        created_by="maquette",
        key_value_metadata=dict(metadata or {}),
        skip_arrow_metadata=True,
    )
    return out.getvalue()


def _array(kind: ColumnType, values: Sequence[Any]) -> Any:
    if isinstance(kind, str):
        return Array(list(values), SCALARS[kind])
    absent = Array([value is None for value in values], DataType.bool())
    if isinstance(kind, ListType):
        flat = [part for value in values for part in (value if value is not None else ())]
        ends = np.cumsum([0, *(0 if value is None else len(value) for value in values)])
        return list_array(Array(ends.tolist(), DataType.int32()), _array(kind.item, flat), mask=absent)
    parts = [
        _array(part, [None if value is None else value[name] for value in values])
        for name, part in kind.parts
    ]
    fields = [Field(name, array.type) for (name, _), array in zip(kind.parts, parts, strict=True)]
    return struct_array(parts, fields=fields, mask=absent)
