"""Named arrays with their units and frames, as NPZ and as JSON; both carry the same header.

The header is an object: `about` describes the record, `arrays` gives for each name its shape, dtype, unit,
frame and meaning (`says`). In an NPZ it is the text array `header`. Unknown numbers are NaN in an NPZ and
null in JSON.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

JSON_DIGITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedArray:
    """One array with what its numbers mean; `unit` and `frame` are None where they have none."""

    values: NDArray[Any]
    meaning: str
    unit: str | None = None
    frame: str | None = None


def describe(about: Mapping[str, Any], arrays: Mapping[str, AnnotatedArray]) -> dict[str, Any]:
    """The header of a record."""
    return {
        "about": dict(about),
        "arrays": {
            name: {
                "shape": list(array.values.shape),
                "dtype": array.values.dtype.name if array.values.dtype.kind != "U" else "text",
                "unit": array.unit,
                "frame": array.frame,
                "says": array.meaning,
            }
            for name, array in arrays.items()
        },
    }


def write_npz(about: Mapping[str, Any], arrays: Mapping[str, AnnotatedArray]) -> bytes:
    """A compressed NPZ without pickles; the same record gives the same bytes."""
    out = io.BytesIO()
    header = json.dumps(describe(about, arrays), separators=(",", ":"), allow_nan=False)
    values = {name: array.values for name, array in arrays.items()}
    np.savez_compressed(out, allow_pickle=False, header=np.array(header), **values)
    return out.getvalue()


def write_json(
    about: Mapping[str, Any],
    arrays: Mapping[str, AnnotatedArray],
    leave_out: frozenset[str] = frozenset(),
) -> bytes:
    """The record as one JSON object, numbers to six decimals, without the arrays in `leave_out`."""
    kept = {name: array for name, array in arrays.items() if name not in leave_out}
    values = {name: _to_json(array.values) for name, array in kept.items()}
    document = {**describe(about, kept), "values": values}
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _to_json(values: NDArray[Any]) -> Any:
    """Nested lists; numbers that are not finite become None."""
    if values.dtype.kind != "f":
        return values.tolist()
    rounded = np.round(values.astype(np.float64), JSON_DIGITS)
    if np.isfinite(rounded).all():
        return rounded.tolist()
    mixed = rounded.astype(object)
    mixed[~np.isfinite(rounded)] = None
    return mixed.tolist()
