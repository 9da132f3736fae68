"""FAKE torch: the few names that the adapter's child uses."""

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.fake_gpu_memory import FakeGpuMemory

__version__ = "2.13.0"


class version:
    cuda = "12.4"


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


class Tensor:
    def __init__(self, array: np.ndarray) -> None:
        self.array = array


def from_numpy(array: np.ndarray) -> Tensor:
    return Tensor(array)


def load(path: str, map_location: str = "cpu", weights_only: bool = True, pickle_module: Any = pickle) -> Any:
    assert map_location == "cpu" and not weights_only
    content = Path(path).read_bytes()
    return json.loads(content) if content.startswith(b"{") else pickle_module.load(io.BytesIO(content))


memory = FakeGpuMemory()
memory.attach(cuda)
