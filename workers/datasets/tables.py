"""Parquet tables from plain rows; the same rows give the same bytes."""

import io
from collections.abc import Sequence
from typing import Any

import arro3.io
import numpy as np
from arro3.core import Array, DataType, Field, Schema, Table, list_array

TYPES = {
    "int": DataType.int64(),
    "float": DataType.float64(),
    "str": DataType.utf8(),
    "bytes": DataType.binary(),
    "bool": DataType.bool(),
}
Columns = dict[str, str]

CLIPS: Columns = {
    "clip": "int",
    "source": "str",
    "first_frame": "int",
    "frames": "int",
    "start_seconds": "float",
    "width": "int",
    "height": "int",
    "source_width": "int",
    "source_height": "int",
    "time_base_numerator": "int",
    "time_base_denominator": "int",
}
FRAMES: Columns = {"clip": "int", "frame": "int", "source_frame": "int", "pts": "int", "jpeg": "bytes"}
TRACKS: Columns = {
    "clip": "int",
    "track": "int",
    "label": "str",
    "first_frame": "int",
    "last_frame": "int",
    "frames": "int",
    "mean_score": "float",
    "mean_area": "float",
    "kept": "bool",
}
OBSERVATIONS: Columns = {
    "clip": "int",
    "frame": "int",
    "track": "int",
    "x0": "float",
    "y0": "float",
    "x1": "float",
    "y1": "float",
    "score": "float",
    "mask_height": "int",
    "mask_width": "int",
    "mask_counts": "str",
    "flags": "list",
}
DECISIONS: Columns = {
    "clip": "int",
    "track": "int",
    "gate": "str",
    "score": "float",
    "threshold": "float",
    "passed": "bool",
}


def parquet(columns: Columns, rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows as one Parquet file of one row group; a missing value is null. `list` columns hold strings."""
    arrays, fields = [], []
    for name, kind in columns.items():
        values = [row.get(name) for row in rows]
        array = _strings(values) if kind == "list" else Array(values, TYPES[kind])
        arrays.append(array)
        fields.append(Field(name, array.type, nullable=True))
    table = Table.from_arrays(arrays, schema=Schema(fields))
    out = io.BytesIO()
    arro3.io.write_parquet(
        table, out, compression="zstd(3)", max_row_group_size=max(1, len(rows)), created_by="maquette"
    )
    return out.getvalue()


def _strings(values: Sequence[Sequence[str] | None]) -> Any:
    flat = [text for value in values for text in value or ()]
    offsets = np.cumsum([0, *(len(value or ()) for value in values)], dtype=np.int32)
    return list_array(Array(offsets.tolist(), DataType.int32()), Array(flat, DataType.utf8()))
