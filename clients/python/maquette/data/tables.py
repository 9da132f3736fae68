"""Columns of Parquet files, read by pyarrow or else by arro3."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maquette.data.errors import DataError


class Columns:
    """Some columns of a file."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def values(self, name: str) -> list[Any]:
        """Python values; None is null."""
        found: list[Any] = self._table[name].to_pylist()
        return found

    def numbers(self, name: str) -> NDArray[Any]:
        """Numbers of a column without nulls, (N,)."""
        return np.asarray(self._table[name].to_numpy())

    def lists(self, name: str, width: int) -> NDArray[np.float64]:
        """Lists of `width` numbers, f64 (N, width); null is NaN."""
        column = self._table[name].combine_chunks()
        out = np.full((len(column), width), np.nan)
        if hasattr(column, "is_valid"):
            known = column.is_valid().to_numpy(zero_copy_only=False)
            out[known] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
            return out
        for number, value in enumerate(column.to_pylist()):
            if value is not None:
                out[number] = value
        return out


def read(path: Path, columns: Sequence[str]) -> Columns:
    """Some columns of a file; raises DataError `dataset_missing` or `dataset_broken`."""
    if not path.is_file():
        raise DataError("dataset_missing", f"{path.name} is missing from {path.parent}")
    reader = _reader()
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
    return Columns(table)


@cache
def _reader() -> Any:
    """A function of a path and columns. pyarrow goes first: it leaves out what is not asked for."""
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        return _by_arro3()

    def read_columns(path: Path, columns: list[str]) -> Any:
        with parquet.ParquetFile(path) as file:
            return file.read(columns=columns, use_threads=False)

    return read_columns


def _by_arro3() -> Any:
    try:
        read_parquet = import_module("arro3.io").read_parquet
    except ImportError as error:
        raise DataError.missing("arro3-io") from error
    return lambda path, columns: read_parquet(path, batch_size=1 << 16).read_all()
