"""Arrays as torch tensors where torch is installed."""

from functools import cache
from typing import Any

import numpy as np


def to_tensors(sample: dict[str, Any], wanted: bool | None) -> dict[str, Any]:
    """The sample with its arrays as tensors that share their memory.

    `wanted`: True needs torch (ImportError), False gives NumPy, None takes torch if it is there.
    """
    if wanted is False or (wanted is None and not _installed()):
        return sample
    import torch

    return {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in sample.items()
    }


@cache
def _installed() -> bool:
    from importlib.util import find_spec

    return find_spec("torch") is not None
