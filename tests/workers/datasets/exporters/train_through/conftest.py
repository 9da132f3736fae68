"""Small models trained through every format: its real loader, several workers, batches, a few dozen steps.

torch and the loaders live in an environment of their own: `make test-train`. Losses must be finite, and below
those of a baseline that ignores its input; values are compared with the record. The loaders of C-JEPA and
TinyWorlds are on no index: `MAQUETTE_READERS` names a folder with checkouts `cjepa` and `tinyworlds`.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.training_datasets import load_training_dataset
from workers.datasets.reader import Dataset

READERS = "MAQUETTE_READERS"


@pytest.fixture(scope="session")
def data() -> Dataset:
    return load_training_dataset()


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same weights in every run, and libraries that stay at home."""
    import torch

    torch.manual_seed(0)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Makes a checkout importable; `empty` are imports that its dataset does not need."""
    before = set(sys.modules)

    def find(name: str, empty: tuple[str, ...] = ()) -> Path:
        folder = Path(os.environ.get(READERS, "")) / name
        if not os.environ.get(READERS) or not folder.is_dir():
            pytest.skip(f"{READERS} names no folder with a checkout of {name}")
        for module in empty:
            stub: Any = ModuleType(module)
            stub.VideoDataset = stub.Dataset = object
            monkeypatch.setitem(sys.modules, module, stub)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield find
    for name in set(sys.modules) - before:
        if os.environ.get(READERS, "\0") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
