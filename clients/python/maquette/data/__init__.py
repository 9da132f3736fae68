"""Dataset folders as training samples: map-style and iterable, PyTorch tensors when torch is installed.

    from maquette.data import Pairs, Stream, Windows

    windows = Windows("dataset", length=4, slots=8)  # a dataset folder, as it was downloaded
    pairs = Pairs("out/neural-assets")  # what the exporter `neural-assets` wrote
    loader = torch.utils.data.DataLoader(Stream(windows, shuffle=True), batch_size=8, num_workers=2)

Importing this imports neither NumPy nor torch. Reading needs the extra `maquette[data]`.
"""

from typing import TYPE_CHECKING, Any

from maquette.data.errors import DataError

if TYPE_CHECKING:
    from maquette.data.pairs import Pairs
    from maquette.data.streaming import Stream
    from maquette.data.windows import Windows

__all__ = ["DataError", "Pairs", "Stream", "Windows"]

_HOME = {"Pairs": "pairs", "Stream": "streaming", "Windows": "windows"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    except ImportError as error:
        raise DataError.missing(error.name or "numpy") from error
