"""A `pickle` for `torch.load` that reads tensors and records of a training run and runs nothing.

PyTorch's own `weights_only` refuses settings that are dictionaries of a class of their own, such as
`CfgNode`, and they stand in checkpoints beside the weights. Pass this module as `pickle_module`.
"""

import pickle
from typing import Any

TENSORS = frozenset(
    ("torch._utils", name) for name in ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter")
)
CONTAINERS = frozenset(
    {
        # numbers of NumPy are written through it
        ("_codecs", "encode"),
        ("builtins", "set"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("builtins", "dict"),
        ("builtins", "int"),
        ("builtins", "long"),
        ("builtins", "float"),
        ("builtins", "list"),
        ("builtins", "str"),
        ("builtins", "bool"),
        ("torch", "Size"),
        ("torch", "device"),
        ("torch._tensor", "Tensor"),
        ("torch.nn.parameter", "Parameter"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
    }
)
TYPES = ("numpy.dtypes", "torch.float", "torch.int", "torch.bfloat", "torch.bool", "torch.uint")
# packages whose objects are settings and counters: they are read as records and never built
RECORDS = (
    "yacs",
    "omegaconf",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "typing",
    "enum",
    "pathlib",
)


class UnsafePickle(pickle.UnpicklingError):
    """The pickle names code that has no place in a checkpoint."""


class Record(dict[Any, Any]):
    """An object that was not built: it takes whatever its pickle says and keeps the items alone."""

    def __new__(cls, *_: Any, **__: Any) -> "Record":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, _: Any) -> None:
        return None

    def append(self, _: Any) -> None:
        """Take an element of a list that was not built."""

    def extend(self, _: Any) -> None:
        """Take elements of a list that was not built."""


class Unpickler(pickle.Unpickler):
    """Reads tensors, containers, numbers and records; raises UnsafePickle for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """The object of a global name of the pickle."""
        # PyTorch writes protocol 2, which has Python 2's names
        known = ("builtins" if module == "__builtin__" else module, name)
        if known in TENSORS | CONTAINERS or f"{module}.{name}".startswith(TYPES):
            return super().find_class(module, name)
        if module.split(".", 1)[0] in RECORDS:
            return Record
        raise UnsafePickle(f"the checkpoint names {module}.{name}")


def load(file: Any, **options: Any) -> Any:
    """As `pickle.load`, which PyTorch calls for files of its old format."""
    return Unpickler(file, **options).load()
