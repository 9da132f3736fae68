"""Columns of Parquet files, read by pyarrow or else by arro3."""

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
    """ASCII strings one after the other: `codes` u8, string k is `codes[ends[k] : ends[k + 1]]`."""

    codes: NDArray[np.uint8]
    ends: NDArray[np.integer[Any]]

    @classmethod
    def pack(cls, values: Sequence[str]) -> "PackedStrings":
        """Strings, packed; what is no ASCII becomes a question mark."""
        packed = [value.encode("ascii", "replace") for value in values]
        ends = np.cumsum([0, *map(len, packed)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(packed), np.uint8), ends)


class ColumnReader:
    """Some columns of a file."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def values(self, name: str) -> list[Any]:
        """Python values; None is null."""
        found: list[Any] = self._table[name].to_pylist()
        return found

    def value(self, name: str, row: int) -> Any:
        """One Python value, without a look at the others."""
        return self._table[name][row].as_py()

    def numbers(self, name: str) -> NDArray[Any]:
        """Numbers of a column without nulls, (N,)."""
        return np.asarray(self._whole(name).to_numpy())

    def strings(self, name: str) -> PackedStrings:
        """Strings of a column without nulls."""
        column = self._whole(name)
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
        """Lists of `width` numbers, f64 (N, width); null is NaN."""
        column = self._whole(name)
        if not hasattr(column, "flatten"):
            return _padded(column.to_pylist(), width)
        values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        if not column.null_count:
            return np.asarray(values)
        out = np.full((len(column), width), np.nan)
        out[column.is_valid().to_numpy(zero_copy_only=False)] = values
        return out

    def _whole(self, name: str) -> Any:
        column = self._table[name]
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _padded(values: Sequence[Sequence[float] | None], width: int) -> NDArray[np.float64]:
    out = np.full((len(values), width), np.nan)
    for number, value in enumerate(values):
        if value is not None:
            out[number] = value
    return out


def read(path: Path, columns: Sequence[str]) -> ColumnReader:
    """Some columns of a file; raises DataError `dataset_missing` or `dataset_broken`."""
    if not path.is_file():
        raise DataError("dataset_missing", f"{path.name} is missing from {path.parent}")
    reader = _load_reader()
    try:
        table = reader(path, list(columns))
        if lost := set(columns) - set(table.column_names):
            raise DataError("dataset_broken", f"{path.name} has no column {', '.join(sorted(lost))}")
    except BaseException as error:
        # a broken file makes arro3 panic, and its panics are no Exceptions
        known = isinstance(error, Exception) or type(error).__name__ == "PanicException"
        if isinstance(error, DataError) or not known:
            raise
        raise DataError("dataset_broken", f"{path.name} cannot be read: {error}") from error
    return ColumnReader(table)


@cache
def _load_reader() -> Any:
    """A function of a path and columns. pyarrow goes first: it leaves out what is not asked for."""
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        return _load_arro3_reader()

    def read_columns(path: Path, columns: list[str]) -> Any:
        # what is read at once needs no reading ahead, and no thread for it
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            return file.read(columns=columns, use_threads=False)

    return read_columns


def _load_arro3_reader() -> Any:
    try:
        read_parquet = import_module("arro3.io").read_parquet
    except ImportError as error:
        raise DataError.missing("arro3-io") from error
    return lambda path, columns: read_parquet(path, batch_size=1 << 16).read_all()
