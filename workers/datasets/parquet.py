"""Rows to Parquet and back; equal rows give equal bytes."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import arro3.io
import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, list_array

from workers.datasets.errors import DatasetError
from workers.datasets.schema import SCHEMA_VERSION, ColumnSpec, list_columns

T = TypeVar("T")
MEDIA_TYPE = "application/vnd.apache.parquet"
# rows that are objects at once: some MB of them
BATCH = 1 << 14
# the same of rows that are read: a clip has fewer, and a table of all clips is read batch by batch
READ_BATCH = 1 << 12
# more than a clip of a minute has observations
ROW_GROUP = 1 << 20
SCALAR_TYPES = {
    "int": DataType.int64(),
    "float": DataType.float64(),
    "str": DataType.utf8(),
    "bytes": DataType.binary(),
    "bool": DataType.bool(),
}
ITEM_TYPES = {"strings": DataType.utf8(), "floats": DataType.float64()}


def write(row: type[Any], rows: Iterable[Any]) -> bytes:
    """Rows (instances of the dataclass `row`) as one Parquet file, of which a batch is in memory at a time.

    There is one row group, for all the rows that a clip can have.
    """
    columns = list_columns(row)
    empty = [_build_array(column, []) for column in columns]
    fields = [
        Field(column.name, array.type, nullable=column.nullable)
        for column, array in zip(columns, empty, strict=True)
    ]
    schema = Schema(fields)
    # images are compressed already; numbers are read in small windows, where opening zstd would cost most
    blobs = [column.name for column in columns if column.kind == "bytes"]
    texts = [column.name for column in columns if column.kind == "str"]
    out = io.BytesIO()
    arro3.io.write_parquet(
        RecordBatchReader.from_batches(schema, _build_batches(columns, schema, rows)),
        out,
        compression="lz4_raw",
        column_compression=dict.fromkeys(blobs, "uncompressed") | dict.fromkeys(texts, "zstd(3)"),
        dictionary_enabled=False,
        column_dictionary_enabled=dict.fromkeys(texts, True),
        max_row_group_size=ROW_GROUP,
        created_by="maquette",
        # one entry only: arro3 writes several in any order, and equal rows would not give equal bytes
        key_value_metadata={"maquette.schema": f"{row.__name__}/{SCHEMA_VERSION}"},
        skip_arrow_metadata=True,
    )
    return out.getvalue()


def _build_batches(
    columns: Sequence[ColumnSpec], schema: Schema, rows: Iterable[Any]
) -> Iterator[RecordBatch]:
    """The rows in batches; one without rows where there are none."""
    remaining = iter(rows)
    batch = list(islice(remaining, BATCH))
    while True:
        arrays = [_build_array(column, [getattr(item, column.name) for item in batch]) for column in columns]
        yield RecordBatch.from_arrays(arrays, schema=schema)
        batch = list(islice(remaining, BATCH))
        if not batch:
            return


def read(row: type[T], source: Path | bytes) -> list[T]:
    """The rows of a file; raises DatasetError `dataset_broken` when its columns are not those of `row`."""
    return list(iterate(row, source))


def iterate(row: type[T], source: Path | bytes) -> Iterator[T]:
    """The same rows one by one, of which some thousand are in memory at a time."""
    file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    with _reading(source):
        reader = arro3.io.read_parquet(file, batch_size=READ_BATCH)
    columns, present = list_columns(row), set(reader.schema.names)
    missing = [column.name for column in columns if column.name not in present and not column.nullable]
    if missing:
        raise DatasetError("dataset_broken", f"{_get_name(source)} has no column {', '.join(missing)}")
    while True:
        with _reading(source):
            batch = next(reader, None)
        if batch is None:
            return
        values = {
            column.name: _read_column(batch, column) if column.name in present else [None] * batch.num_rows
            for column in columns
        }
        for items in zip(*values.values(), strict=True):
            yield row(**dict(zip(values, items, strict=True)))


@contextmanager
def _reading(source: Path | bytes) -> Iterator[None]:
    """Raise DatasetError for what arro3 finds wrong in a file."""
    try:
        yield
    except BaseException as error:
        # arro3 panics on a broken file, and a panic is not an Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DatasetError(
            "dataset_broken", f"{_get_name(source)} is not a readable Parquet file: {error}"
        ) from error


def _read_column(batch: Any, column: ColumnSpec) -> list[Any]:
    values: list[Any] = batch[column.name].to_pylist()
    if column.kind in ITEM_TYPES:
        return [None if value is None else tuple(value) for value in values]
    return values


def _build_array(column: ColumnSpec, values: Sequence[Any]) -> Any:
    if column.kind not in ITEM_TYPES:
        return Array(values, SCALAR_TYPES[column.kind])
    items = [item for value in values for item in value or ()]
    offsets = np.cumsum([0, *(len(value or ()) for value in values)], dtype=np.int32)
    mask = Array([value is None for value in values], DataType.bool()) if column.nullable else None
    return list_array(
        Array(offsets.tolist(), DataType.int32()), Array(items, ITEM_TYPES[column.kind]), mask=mask
    )


def _get_name(source: Path | bytes) -> str:
    return source.name if isinstance(source, Path) else "the table"
