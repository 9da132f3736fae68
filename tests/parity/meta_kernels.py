"""What Meta's code imports for CUDA and never calls on a CPU; import this before transformers and `sam3`."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


def define_operators() -> None:
    """Define torchvision's operators where its compiled part is for CUDA and torch is not."""
    place = importlib.util.find_spec("torchvision")
    if place is None or place.submodule_search_locations is None:
        return
    try:
        torch.ops.load_library(str(Path(place.submodule_search_locations[0]) / "_C.so"))
    except OSError:
        for name in ("nms", "qnms"):
            _LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@contextmanager
def without_triton() -> Iterator[None]:
    """Stand in for Triton, which compiles kernels for GPUs, while Meta's modules decorate theirs."""
    if importlib.util.find_spec("triton") is not None:
        yield
        return
    package, language = _Decorators("triton"), _Decorators("triton.language")
    package.__dict__["language"] = language
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "triton", package)
        patch.setitem(sys.modules, "triton.language", language)
        yield


class _Decorators(ModuleType):
    """Every attribute is a decorator, or a name in an annotation, that changes nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda function: function


_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
define_operators()
