"""How exactly SAM 3 computes: float32, everything in bfloat16, or float32 weights under bfloat16 autocast.

A bfloat16 has 8 significant bits. Coordinates in it are wrong by up to 2 px of the model's 1008, and the
cells of a 288 x 288 map can no longer be counted. Autocast alone does not help: it hands bfloat16 features to
position encodings, which take their type from them. What computes coordinates is kept in float32 here.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import torch
from transformers.models.sam3 import modeling_sam3
from transformers.models.sam3_tracker_video import modeling_sam3_tracker_video

from workers.engines.concepts.sam3.profiles import Precision

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "autocast": torch.float32}
# classes of transformers that compute coordinates, and their methods that do
_EXACT = {
    modeling_sam3.Sam3SinePositionEmbedding: "forward",
    modeling_sam3.Sam3GeometryEncoder: "_encode_boxes",
    modeling_sam3_tracker_video.Sam3TrackerVideoPositionEmbeddingSine: "forward",
    modeling_sam3_tracker_video.Sam3TrackerVideoPositionalEmbedding: "forward",
}
P = ParamSpec("P")
R = TypeVar("R")


def enter_precision(precision: Precision, device: Any) -> AbstractContextManager[Any]:
    """The context in which a model of that precision computes on a device."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "autocast" else nullcontext()


def prepare_precision(model: Any, precision: Precision, *, tf32: bool) -> None:
    """Keep coordinates in float32 under autocast, and say whether float32 on a GPU may use TF32."""
    if model.device.type == "cuda":
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
    if precision != "autocast":
        return
    for module in model.modules():
        for kind, method in _EXACT.items():
            if isinstance(module, kind):
                setattr(module, method, _compute_exactly(getattr(module, method)))
    decoder = model.detector_model.detr_decoder
    decoder.box_head.forward = _compute_exactly(decoder.box_head.forward)


def computes(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method of an object with a `_loaded` model, in that model's precision."""

    def run(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._loaded.computing():
            return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[Any, P], R]", wraps(method)(run))


def _compute_exactly(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on float32 arguments, outside autocast; an argument that is a dtype becomes float32."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        kinds = {value.device.type for value in values if isinstance(value, torch.Tensor)}
        kinds |= {value.type for value in values if isinstance(value, torch.device)}
        with torch.autocast((kinds or {"cpu"}).pop(), enabled=False):
            return function(*map(_widen, args), **{name: _widen(value) for name, value in kwargs.items()})

    return run


def _widen(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.float()
    return torch.float32 if isinstance(value, torch.dtype) else value
