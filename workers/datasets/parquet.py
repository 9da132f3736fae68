"""Rows to Parquet and back; the same rows give the same bytes."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import arro3.io
import numpy as np
from arro3.core import Array, DataType, Field, Schema, Table, list_array

from workers.datasets.errors import DatasetError
from workers.datasets.schema import SCHEMA_VERSION, ColumnSpec, list_columns

T = TypeVar("T")
MEDIA_TYPE = "application/vnd.apache.parquet"
TYPES = {
    "int": DataType.int64(),
    "float": DataType.float64(),
    "str": DataType.utf8(),
    "bytes": DataType.binary(),
    "bool": DataType.bool(),
}
LISTS = {"strings": DataType.utf8(), "floats": DataType.float64()}


def write(row: type[Any], rows: Sequence[Any]) -> bytes:
    """Rows (instances of the dataclass `row`) as one Parquet file of one row group."""
    arrays, fields = [], []
    named = list_columns(row)
    for column in named:
        values = [getattr(item, column.name) for item in rows]
        array = _lists(values, column) if column.kind in LISTS else Array(values, TYPES[column.kind])
        arrays.append(array)
        fields.append(Field(column.name, array.type, nullable=column.nullable))
    table = Table.from_arrays(arrays, schema=Schema(fields))
    # pictures are compressed already; numbers are read in small windows, where opening zstd costs most
    blobs = [column.name for column in named if column.kind == "bytes"]
    texts = [column.name for column in named if column.kind == "str"]
    out = io.BytesIO()
    arro3.io.write_parquet(
        table,
        out,
        compression="lz4_raw",
        column_compression=dict.fromkeys(blobs, "uncompressed") | dict.fromkeys(texts, "zstd(3)"),
        dictionary_enabled=False,
        column_dictionary_enabled=dict.fromkeys(texts, True),
        max_row_group_size=max(1, len(rows)),
        created_by="maquette",
        # one entry only: several come out in any order, and equal rows would not be equal bytes
        key_value_metadata={"maquette.schema": f"{row.__name__}/{SCHEMA_VERSION}"},
        skip_arrow_metadata=True,
    )
    return out.getvalue()


def read(row: type[T], source: Path | bytes) -> list[T]:
    """The rows of a file; raises DatasetError `dataset_broken` when its columns are not those of `row`."""
    try:
        file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
        table = arro3.io.read_parquet(file, batch_size=1 << 16).read_all()
    except BaseException as error:
        # a broken file makes arro3 panic, and its panics are no Exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DatasetError(
            "dataset_broken", f"{_name(source)} is no readable Parquet file: {error}"
        ) from error
    named = list_columns(row)
    known = set(table.column_names)
    missing = [column.name for column in named if column.name not in known and not column.nullable]
    if missing:
        raise DatasetError("dataset_broken", f"{_name(source)} has no column {', '.join(missing)}")
    count = table.num_rows
    parts: dict[str, list[Any]] = {}
    for column in named:
        if column.name not in known:
            parts[column.name] = [None] * count
            continue
        values = table[column.name].to_pylist()
        if column.kind in LISTS:
            values = [None if value is None else tuple(value) for value in values]
        parts[column.name] = values
    return [row(**dict(zip(parts, values, strict=True))) for values in zip(*parts.values(), strict=True)]


def _lists(values: Sequence[tuple[Any, ...] | None], column: ColumnSpec) -> Any:
    flat = [part for value in values for part in value or ()]
    offsets = np.cumsum([0, *(len(value or ()) for value in values)], dtype=np.int32)
    inner = Array(flat, LISTS[column.kind])
    absent = Array([value is None for value in values], DataType.bool()) if column.nullable else None
    return list_array(Array(offsets.tolist(), DataType.int32()), inner, mask=absent)


def _name(source: Path | bytes) -> str:
    return source.name if isinstance(source, Path) else "the table"
