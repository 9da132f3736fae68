"""Forwards over many items, fewer at a time where the GPU's memory does not suffice."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Output = TypeVar("Output")


def compute_in_passes(
    items: Sequence[Item], size: int, compute: Callable[[Sequence[Item]], Sequence[Output]]
) -> list[Output]:
    """The outputs for all items, in order, of passes of at most `size` items; of fewer, down to one, where
    memory does not suffice.

    Raises torch.OutOfMemoryError where one item does not fit.
    """
    outputs: list[Output] = []
    while len(outputs) < len(items):
        chunk = items[len(outputs) : len(outputs) + size]
        try:
            outputs += compute(chunk)
            continue
        except torch.OutOfMemoryError:
            if len(chunk) == 1:
                raise
        # not in the handler: the error's traceback holds the tensors of the failed pass
        torch.cuda.empty_cache()
        size = max(1, len(chunk) // 2)
    return outputs
