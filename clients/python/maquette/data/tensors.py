"""Arrays as torch tensors where torch is installed."""

from functools import cache
from typing import Any

import numpy as np


def to_tensors(sample: dict[str, Any], wanted: bool | None) -> dict[str, Any]:
    """The sample with its arrays as tensors that share their memory.

    `wanted`: True for tensors (raises ImportError without torch), False for NumPy, None for tensors if torch
    is installed.
    """
    if wanted is False or (wanted is None and not _is_torch_installed()):
        return sample
    import torch

    return {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in sample.items()
    }


@cache
def _is_torch_installed() -> bool:
    from importlib.util import find_spec

    return find_spec("torch") is not None
