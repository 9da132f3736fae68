"""Dataset folders as training samples: map-style and iterable, PyTorch tensors when torch is installed.

    from maquette.data import Pairs, ShardedIterable, Windows

    windows = Windows("dataset", length=4, slots=8)  # a dataset folder, as it was downloaded
    pairs = Pairs("out/neural-assets")  # what the exporter `neural-assets` wrote
    samples = ShardedIterable(windows, shuffle=True)
    loader = torch.utils.data.DataLoader(samples, batch_size=8, num_workers=2)

Importing this package imports neither NumPy nor torch. Reading needs the extra `maquette[data]`.
"""

from typing import TYPE_CHECKING, Any

from maquette.data.errors import DataError, LeftOutWarning

if TYPE_CHECKING:
    from maquette.data.collation import collate
    from maquette.data.pairs import Pairs
    from maquette.data.sharded_iterable import ShardedIterable
    from maquette.data.windows import Windows

__all__ = ["DataError", "LeftOutWarning", "Pairs", "ShardedIterable", "Windows", "collate"]

_MODULES = {
    "collate": "collation",
    "Pairs": "pairs",
    "ShardedIterable": "sharded_iterable",
    "Windows": "windows",
}
# spellings of release 0.1 that work for one more release
_DEPRECATED = {"Stream": "ShardedIterable"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _DEPRECATED:
        from warnings import warn

        current = _DEPRECATED[name]
        warn(f"maquette.data.{name} is now {current}", DeprecationWarning, stacklevel=2)
        name = current
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ImportError as error:
        raise DataError.missing(error.name or "numpy") from error
