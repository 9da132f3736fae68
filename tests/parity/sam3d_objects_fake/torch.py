"""FAKE torch: the few names that the adapter's child uses."""

import contextlib
import os
from typing import Any

import numpy as np

from tests.support.fake_gpu_memory import FakeGpuMemory

__version__ = "2.5.1"


class version:
    cuda = "12.4"


class Tensor:
    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def detach(self) -> "Tensor":
        return self

    def cpu(self) -> "Tensor":
        return self

    def float(self) -> "Tensor":
        return Tensor(self.array.astype(np.float32))

    def to(self, _device: Any) -> "Tensor":
        return self

    def permute(self, *axes: int) -> "Tensor":
        return Tensor(self.array.transpose(axes))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array if dtype is None else self.array.astype(dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    return Tensor(array)


def no_grad() -> Any:
    return contextlib.nullcontext()


def autocast(device_type: str, dtype: Any) -> Any:
    assert device_type == "cuda" and dtype is not None
    return contextlib.nullcontext()


class cuda:
    class OutOfMemoryError(RuntimeError):
        """As torch's."""

    @staticmethod
    def is_available() -> bool:
        # as CUDA itself: an empty list hides every card
        return os.environ.get("CUDA_VISIBLE_DEVICES") != ""

    @staticmethod
    def init() -> None:
        if not cuda.is_available():
            raise RuntimeError("No CUDA GPUs are available")

    @staticmethod
    def get_device_name(_index: int) -> str:
        return "fake device"

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def get_device_capability(_index: int) -> tuple[int, int]:
        return (9, 0)

    @staticmethod
    def get_arch_list() -> list[str]:
        return ["sm_90"]

    @staticmethod
    def empty_cache() -> None:
        return None


memory = FakeGpuMemory()
memory.attach(cuda)
