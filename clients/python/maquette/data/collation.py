"""Batches of samples whose values may be unknown or differ in number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maquette.data import tensors

# of the columns of the export `hf-datasets`, where a batch may have no value to take the shape from
SHAPES: dict[str, tuple[int, ...]] = {
    "world_from_cam": (16,),
    "boxes": (0, 4),
    "centers": (0, 3),
    "rotations": (0, 4),
    "sizes": (0, 3),
    "tracks": (0,),
}


def collate(
    samples: Sequence[Mapping[str, Any]],
    *,
    unknown: float = 0.0,
    shapes: Mapping[str, tuple[int, ...]] = SHAPES,
    as_tensors: bool | None = None,
) -> dict[str, Any]:
    """Join samples to a batch of B, as `collate_fn` of a DataLoader, where torch's own refuses None.

    - numbers, arrays and images of one shape are stacked; images are u8 (B, 3, H, W). In `batch["known"]` the
      name has bool (B,): False for None and for NaN, which become `unknown`
    - what `shapes` lists with a first 0 is padded with `unknown` to the longest, N; `known` is bool (B, N)
    - text, lists of text, and arrays that differ in shape stay lists of B values

    `shapes` are those of names that may be None in a complete batch. `as_tensors`: torch tensors (True),
    NumPy arrays (False), or tensors if torch is installed (None).
    """
    batch: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample):
        values = [sample.get(name) for sample in samples]
        joined = _join([_to_array(value) for value in values], shapes.get(name), unknown)
        if joined is None:
            batch[name] = values
        else:
            batch[name], known[name] = joined
    return {**tensors.to_tensors(batch, as_tensors), "known": tensors.to_tensors(known, as_tensors)}


def _to_array(value: Any) -> Any:
    """Numbers as arrays with NaN for None, images as u8 (3, H, W); what is neither as it is."""
    if hasattr(value, "convert") and hasattr(value, "getbands"):
        return np.ascontiguousarray(np.asarray(value.convert("RGB")).transpose(2, 0, 1))
    if isinstance(value, list | tuple) and None in value:
        width = next((len(item) for item in value if isinstance(item, list | tuple)), None)
        missing = np.nan if width is None else [np.nan] * width
        value = [missing if item is None else item for item in value]
    try:
        array = np.asarray(value)
    except ValueError:
        return value
    return array if array.dtype.kind in "biuf" else value


def _join(
    values: Sequence[Any], shape: tuple[int, ...] | None, unknown: float
) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
    """The values as one array, and which of them are known; None where they do not fit together."""
    if not all(value is None or isinstance(value, np.ndarray) for value in values):
        return None
    if shape is not None and shape[:1] == (0,):
        return _pad(values, shape[1:], unknown)
    arrays = [value for value in values if value is not None]
    found = {array.shape for array in arrays} or {shape}
    item = found.pop()
    if found or item is None:
        return None
    kind = np.result_type(*arrays) if arrays else np.dtype(np.float32)
    if item and kind == np.float64:
        kind = np.dtype(np.float32)
    missing = np.full(item, np.nan)
    stacked = np.stack([missing if value is None else value for value in values])
    finite = np.isfinite(stacked)
    known = np.asarray(finite.reshape(len(values), -1).all(axis=1), np.bool_)
    return np.where(finite, stacked, unknown).astype(kind), known


def _pad(
    values: Sequence[NDArray[Any] | None], item: tuple[int, ...], unknown: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Lists of items of one shape as (B, N, *item), and whether each item is known (B, N)."""
    longest = max((len(value) for value in values if value is not None), default=0)
    out = np.full((len(values), longest, *item), np.nan)
    for place, value in enumerate(values):
        if value is not None and len(value):
            # a list that is None throughout has no shape of its own
            out[place, : len(value)] = value[:, None] if item and value.ndim == 1 else value
    finite = np.isfinite(out)
    known = np.asarray(finite.reshape(len(values), longest, math.prod(item)).all(axis=2), np.bool_)
    is_whole = all(value is None or value.dtype.kind in "biu" or not value.size for value in values)
    return np.where(finite, out, unknown).astype(np.int64 if is_whole else np.float32), known
