"""Meta's own SAM 3.1 video predictor with RANDOM weights on a CPU: real size but for a ViT of two layers.

It needs a checkout of facebookresearch/sam3 on the path: the package on PyPI has no SAM 3.1.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from tests.parity.meta_kernels import without_triton
from tests.parity.sam3_meta_tiny import without_cuda
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.settings import MetaSettings

LAYERS = 2


class CudaIsCpu(TorchFunctionMode):
    """PyTorch's functions, with the CPU wherever they are asked for CUDA."""

    def __torch_function__(self, called: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {key: _on_cpu(value) for key, value in (kwargs or {}).items()}
        # frames are float16, which the CPU's autocast does not put together
        joins = called in (torch.stack, torch.cat)
        with torch.autocast("cpu", enabled=False) if joins else nullcontext():
            return called(*[_on_cpu(value) for value in args], **named)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device("cpu")
    return "cpu" if isinstance(value, str) and value.startswith("cuda") else value


@contextmanager
def multiplex_on_cpu() -> Iterator[None]:
    """What Meta's SAM 3.1 asks of CUDA, beside tensors, answered on a CPU in float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "get_device_properties", lambda *_: SimpleNamespace(major=0))
        patch.setattr(torch.nn.Module, "cuda", lambda module, *_, **__: module)
        with without_triton():
            importlib.import_module("sam3.model.sam3_multiplex_tracking")
        with without_cuda(), CudaIsCpu():
            yield


def build_multiplex(folder: Path) -> MetaModels:
    """Models whose predictor our loader has built by Meta's builder; call it within `multiplex_on_cpu`."""
    build: Any = importlib.import_module("sam3.model_builder")
    empty = folder / "sam3.1_multiplex.pt"
    torch.save({}, empty)
    settings = MetaSettings(multiplex=str(empty), flash_attention=False, threshold=0.0, nms_iou=None)
    models = MetaModels(settings, "cpu", autocast=False)
    vit = build.ViT
    with pytest.MonkeyPatch.context() as patch:
        # the last layer attends to the whole image, as the last of the real ones does
        small = {"depth": LAYERS, "global_att_blocks": (LAYERS - 1,)}
        patch.setattr(build, "ViT", lambda **asked: vit(**{**asked, **small}))
        torch.manual_seed(0)
        _ = models.predictor
    return models
