"""Parquet files of typed columns, for formats whose readers expect types that the record does not have."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import arro3.io
import numpy as np
from arro3.core import (
    Array,
    DataType,
    Field,
    Schema,
    Table,
    fixed_size_list_array,
    list_array,
    struct_array,
)
from numpy.typing import NDArray

SCALAR_TYPES = {
    "bool": DataType.bool(),
    "int64": DataType.int64(),
    "float32": DataType.float32(),
    "float64": DataType.float64(),
    "string": DataType.utf8(),
    "binary": DataType.binary(),
}


@dataclass(frozen=True, slots=True)
class ListType:
    """A list of `length` items, or of any number; one of a fixed length is never null."""

    item: "ColumnType"
    length: int | None = None


@dataclass(frozen=True, slots=True)
class StructType:
    """Named fields; a value is a mapping, or None."""

    fields: tuple[tuple[str, "ColumnType"], ...]


# a name of SCALAR_TYPES, or a nested type
ColumnType = str | ListType | StructType


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """Values of one type; None is null. An array (N,) or (N, A) of the very type is not copied."""

    type: ColumnType
    values: Sequence[Any] | NDArray[Any]


# binary images as `datasets` stores them
IMAGE = StructType((("bytes", "binary"), ("path", "string")))


def describe_features(columns: Mapping[str, ColumnType]) -> dict[str, Any]:
    """The columns as Hugging Face `datasets` describes them in the metadata of a file."""
    return {name: _describe_feature(kind) for name, kind in columns.items()}


def _describe_feature(kind: ColumnType) -> dict[str, Any]:
    if kind is IMAGE:
        return {"_type": "Image"}
    if isinstance(kind, ListType):
        length = {} if kind.length is None else {"length": kind.length}
        return {"feature": _describe_feature(kind.item), **length, "_type": "List"}
    return {"dtype": kind, "_type": "Value"}


def encode_parquet(
    columns: Mapping[str, TypedColumn],
    *,
    metadata: Mapping[str, str] | None = None,
    rows_per_group: int = 1000,
) -> bytes:
    """One Parquet file, compressed by zstd."""
    arrays = [_build_array(column.type, column.values) for column in columns.values()]
    fields = [Field(name, array.type) for name, array in zip(columns, arrays, strict=True)]
    table = Table.from_arrays(arrays, schema=Schema(fields))
    out = io.BytesIO()
    arro3.io.write_parquet(
        table,
        out,
        compression="zstd(3)",
        max_row_group_size=max(1, rows_per_group),
        created_by="maquette",
        key_value_metadata=dict(metadata or {}),
        skip_arrow_metadata=True,
    )
    return out.getvalue()


def _build_array(column_type: ColumnType, values: Sequence[Any] | NDArray[Any]) -> Any:
    if isinstance(values, np.ndarray):
        numbers = Array.from_numpy(np.ascontiguousarray(values).ravel())
        return numbers if values.ndim == 1 else fixed_size_list_array(numbers, values.shape[1])
    if isinstance(column_type, str):
        return Array(list(values), SCALAR_TYPES[column_type])
    if isinstance(column_type, ListType):
        return _build_list_array(column_type, values)
    return _build_struct_array(column_type, values)


def _build_list_array(column_type: ListType, values: Sequence[Any]) -> Any:
    items = [item for value in values for item in (value if value is not None else ())]
    if column_type.length is not None:
        return fixed_size_list_array(_build_array(column_type.item, items), column_type.length)
    offsets = np.cumsum([0, *(0 if value is None else len(value) for value in values)])
    return list_array(
        Array(offsets.tolist(), DataType.int32()), _build_array(column_type.item, items), mask=_mask(values)
    )


def _build_struct_array(column_type: StructType, values: Sequence[Any]) -> Any:
    arrays = [
        _build_array(field_type, [None if value is None else value[name] for value in values])
        for name, field_type in column_type.fields
    ]
    fields = [Field(name, array.type) for (name, _), array in zip(column_type.fields, arrays, strict=True)]
    return struct_array(arrays, fields=fields, mask=_mask(values))


def _mask(values: Sequence[Any]) -> Any:
    return Array([value is None for value in values], DataType.bool())
