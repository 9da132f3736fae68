"""Pickles that hold NumPy arrays and plain values, read without running what is in them."""

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

from workers.evaluation.datasets.files import require_file
from workers.evaluation.errors import LayoutError

# NumPy moved these modules in version 2; files of older versions name the old ones
MODULES = {"numpy": "numpy", "numpy.core.multiarray": "numpy._core.multiarray"}
MODULES |= {module: module for module in ("numpy._core.multiarray", "_codecs")}
NAMES = frozenset({"ndarray", "dtype", "_reconstruct", "scalar", "encode"})


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module not in MODULES or name not in NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is neither an array nor a value")
        return getattr(import_module(MODULES[module]), name)


def read_array_pickle(path: Path) -> dict[str, Any]:
    """A dictionary of arrays, lists and values, of Python 2 or 3; raises LayoutError for anything else."""
    with require_file(path, "a sequence").open("rb") as stream:
        try:
            data = _ArrayUnpickler(stream, encoding="latin1").load()
        except Exception as error:
            raise LayoutError(f"{path} is no pickle of arrays: {error}") from error
    if not isinstance(data, dict):
        raise LayoutError(f"{path} holds no dictionary")
    return data
