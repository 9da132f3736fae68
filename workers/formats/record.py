"""Named arrays with their units and frames, as NPZ and as JSON; both carry the same header.

The header is an object: `about` says what the record holds, `arrays` gives for each name its shape, dtype,
unit, frame and meaning. In an NPZ it is the text array `header`. Unknown numbers are NaN in an NPZ and null
in JSON.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One array of a record; `unit` and `frame` are None where a number has none."""

    values: NDArray[Any]
    says: str
    unit: str | None = None
    frame: str | None = None


def header(about: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
    """What a reader has to know of the arrays."""
    return {
        "about": dict(about),
        "arrays": {
            name: {
                "shape": list(column.values.shape),
                "dtype": column.values.dtype.name if column.values.dtype.kind != "U" else "text",
                "unit": column.unit,
                "frame": column.frame,
                "says": column.says,
            }
            for name, column in columns.items()
        },
    }


def record_npz(about: Mapping[str, Any], columns: Mapping[str, Column]) -> bytes:
    """A compressed NPZ without pickles; the same record gives the same bytes."""
    out = io.BytesIO()
    text = json.dumps(header(about, columns), separators=(",", ":"), allow_nan=False)
    arrays = {name: column.values for name, column in columns.items()}
    np.savez_compressed(out, allow_pickle=False, header=np.array(text), **arrays)
    return out.getvalue()


def record_json(
    about: Mapping[str, Any], columns: Mapping[str, Column], leave_out: frozenset[str] = frozenset()
) -> bytes:
    """The record as one JSON object, numbers to six digits, without the arrays in `leave_out`."""
    kept = {name: column for name, column in columns.items() if name not in leave_out}
    whole = {**header(about, kept), "values": {name: _listed(c.values) for name, c in kept.items()}}
    return json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()


def _listed(values: NDArray[Any]) -> Any:
    if values.dtype.kind != "f":
        return values.tolist()
    rounded = np.round(values.astype(np.float64), DIGITS)
    if np.isfinite(rounded).all():
        return rounded.tolist()
    mixed = rounded.astype(object)
    mixed[~np.isfinite(rounded)] = None
    return mixed.tolist()
