"""COCO's compressed run-length encoding in NumPy: column-major runs that start with zeros."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from maquette.contract import Rle
from maquette.errors import ExtraMissing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decode(rle: Rle) -> "NDArray[np.bool_]":
    """Return a mask (H, W) bool.

    Raises ValueError for runs that do not fill it, ExtraMissing without NumPy.
    """
    numpy = _load_numpy()
    height, width = rle.size
    runs: list[int] = []
    value = shift = 0
    for char in rle.counts:
        code = ord(char) - 48
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            if code & 0x10:
                value |= -1 << shift
            # from the fourth run on, a run is stored as the difference from the one two before
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if sum(runs) != height * width or min(runs) < 0:
        raise ValueError("the runs do not fill the mask")
    flat = numpy.repeat(numpy.arange(len(runs)) % 2 == 1, runs)
    mask: NDArray[np.bool_] = numpy.ascontiguousarray(flat.reshape(width, height).T)
    return mask


def encode(mask: Any) -> Rle:
    """Encode a mask (H, W) of bools, or of numbers where positive is inside; raises as `decode`."""
    numpy = _load_numpy()
    array = numpy.asarray(mask) > 0
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"a mask has the shape (H, W), not {array.shape}")
    flat = array.T.reshape(-1)
    edges = numpy.flatnonzero(numpy.diff(flat)) + 1
    bounds = numpy.concatenate([[0] if not flat[0] else [0, 0], edges, [flat.size]])
    runs = numpy.diff(bounds).tolist()
    text = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            code = value & 0x1F
            value >>= 5
            more = value != -1 if code & 0x10 else value != 0
            text.append(chr((code | 0x20 if more else code) + 48))
    return Rle(size=(array.shape[0], array.shape[1]), counts="".join(text))


def _load_numpy() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise ExtraMissing("masks as arrays need NumPy: pip install 'maquette[arrays]'") from error
