"""Columns of Parquet files, read by pyarrow, or by arro3 where it is not installed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maquette.data.errors import DataError


@dataclass(frozen=True, slots=True)
class PackedStrings:
    """ASCII strings one after another: `codes` u8, string k is `codes[ends[k] : ends[k + 1]]`."""

    codes: NDArray[np.uint8]
    ends: NDArray[np.integer[Any]]

    @classmethod
    def pack(cls, values: Sequence[str]) -> "PackedStrings":
        """Pack strings; a character that is not ASCII becomes a question mark."""
        packed = [value.encode("ascii", "replace") for value in values]
        ends = np.cumsum([0, *map(len, packed)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(packed), np.uint8), ends)


class ColumnReader:
    """Some columns of a file, as Python values or arrays."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def values(self, name: str) -> list[Any]:
        """Python values; None is null, and every value of a column that is not there."""
        if name not in self._table.column_names:
            return [None] * int(self._table.num_rows)
        values: list[Any] = self._table[name].to_pylist()
        return values

    def value(self, name: str, row: int) -> Any:
        """One Python value; the others are not converted."""
        return self._table[name][row].as_py()

    def numbers(self, name: str) -> NDArray[Any]:
        """The numbers of a column without nulls, (N,)."""
        return np.asarray(self._join_chunks(name).to_numpy())

    def strings(self, name: str) -> PackedStrings:
        """The strings of a column without nulls."""
        column = self._join_chunks(name)
        if (
            not hasattr(column, "buffers")
            or str(column.type) != "string"
            or column.null_count
            or column.offset
        ):
            return PackedStrings.pack(column.to_pylist())
        _, ends, codes = column.buffers()
        if not codes:
            return PackedStrings.pack([""] * len(column))
        return PackedStrings(np.frombuffer(codes, np.uint8), np.frombuffer(ends, np.int32, len(column) + 1))

    def lists(self, name: str, width: int) -> NDArray[np.float64]:
        """The lists of `width` numbers of a column, f64 (N, width); null is NaN."""
        column = self._join_chunks(name)
        if not hasattr(column, "flatten"):
            return _pad_nulls(column.to_pylist(), width)
        values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        if not column.null_count:
            return np.asarray(values)
        out = np.full((len(column), width), np.nan)
        out[column.is_valid().to_numpy(zero_copy_only=False)] = values
        return out

    def _join_chunks(self, name: str) -> Any:
        column = self._table[name]
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _pad_nulls(values: Sequence[Sequence[float] | None], width: int) -> NDArray[np.float64]:
    out = np.full((len(values), width), np.nan)
    for number, value in enumerate(values):
        if value is not None:
            out[number] = value
    return out


def read(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> ColumnReader:
    """Some columns of a file, `optional` ones where it has them.

    Raises DataError `dataset_missing` or `dataset_broken`.
    """
    if not path.is_file():
        raise DataError("dataset_missing", f"{path.name} is missing from {path.parent}")
    reader = _load_reader()
    try:
        table = reader(path, [*columns, *optional])
        if lost := set(columns) - set(table.column_names):
            raise DataError("dataset_broken", f"{path.name} has no column {', '.join(sorted(lost))}")
    except BaseException as error:
        # arro3 panics on a broken file, and a panic is not an Exception
        known = isinstance(error, Exception) or type(error).__name__ == "PanicException"
        if isinstance(error, DataError) or not known:
            raise
        raise DataError("dataset_broken", f"{path.name} cannot be read: {error}") from error
    return ColumnReader(table)


@cache
def _load_reader() -> Any:
    """A function of a path and columns; pyarrow is preferred, because it reads only these columns."""
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        return _load_arro3_reader()

    def read_columns(path: Path, columns: list[str]) -> Any:
        # the file is read at once: neither reading ahead nor a thread for it would help
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            return file.read(columns=columns, use_threads=False)

    return read_columns


def _load_arro3_reader() -> Any:
    try:
        read_parquet = import_module("arro3.io").read_parquet
    except ImportError as error:
        raise DataError.missing("arro3-io") from error
    return lambda path, columns: read_parquet(path, batch_size=1 << 16).read_all()
