"""Meta's own `sam3` package: its models built once, its checkpoints named by their hashes.

The contract is that of facebookresearch/sam3 at `COMMIT`. Its builders call CUDA by name: without a GPU its
models can be built part by part, as a test does, but not by them.
"""

import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from workers.engines.concepts.sam3.errors import Sam3Unavailable
from workers.engines.concepts.sam3.meta_backend.image_weights import SAM3, SAM31, load_image_weights
from workers.engines.concepts.sam3.settings import CHECKPOINT_VARIABLE, MULTIPLEX_VARIABLE, MetaSettings
from workers.engines.gpu_support import GpuUnusable, check_gpu

COMMIT = "96914d2425f90a64f45ca977c2b5165418099543"


class MetaPackageMissing(Sam3Unavailable):
    """Meta's package is not installed; the message says which commit to install."""

    def __init__(self) -> None:
        super().__init__(
            "the package `sam3` of facebookresearch/sam3 is not installed: "
            f"pip install --no-deps git+https://github.com/facebookresearch/sam3@{COMMIT}"
        )


class NeedsCuda(RuntimeError):
    """Meta's package is to run without CUDA, which it names in its code."""


@dataclass
class MetaModels:
    """Meta's models, each built when it is first used; `weights` maps file names to sha256."""

    settings: MetaSettings
    device: str
    weights: Mapping[str, str] = field(default_factory=dict)
    autocast: bool = True

    @cached_property
    def image(self) -> Any:
        """The image model (`Sam3Image`) with its click predictor; raises WeightsCorrupt."""
        builder = _import("sam3.model_builder")
        with self.on_device():
            model = builder.build_sam3_image_model(
                # the builder knows "cuda" alone, and leaves a model for "cuda:1" on the CPU
                device=self.device.partition(":")[0],
                eval_mode=True,
                load_from_HF=False,
                checkpoint_path=None,
                enable_inst_interactivity=True,
                compile=self.settings.compile,
            )
            model = model.to(self.device)
        images = self.settings.image_checkpoint
        if images is not None:
            load_image_weights(model, Path(images), SAM31 if self.settings.images == "sam3.1" else SAM3)
        return model

    @cached_property
    def processor(self) -> Any:
        """Meta's `Sam3Processor`, which prepares images."""
        module = _import("sam3.model.sam3_image_processor")
        return module.Sam3Processor(self.image, device=self.device)

    @cached_property
    def predictor(self) -> Any:
        """The video predictor: of SAM 3.1 (object multiplex) where its checkpoint is set."""
        builder, settings = _import("sam3.model_builder"), self.settings
        with self.on_device():
            if settings.multiplex is None:
                predictor = builder.build_sam3_video_predictor(checkpoint_path=settings.checkpoint)
                # the builder of SAM 3 has no word for it; its model compiles itself before the first pass
                predictor.model.compile_model = settings.compile
                return predictor
            use_flash_attention = settings.resolve_flash_attention()
            predictor = builder.build_sam3_multiplex_video_predictor(
                checkpoint_path=settings.multiplex,
                max_num_objects=settings.max_objects,
                use_fa3=use_flash_attention,
                use_rope_real=use_flash_attention,
                compile=settings.compile,
            )
            _let_sessions_start(predictor.model)
            return predictor

    def on_device(self) -> AbstractContextManager[Any]:
        """The context in which what Meta's code puts on "cuda" is on our device."""
        return torch.cuda.device(self.device) if self.device.startswith("cuda") else nullcontext()

    def build(self) -> None:
        """Build everything now, so that a broken checkpoint ends the start and not a user's job."""
        _ = self.processor, self.predictor


def _let_sessions_start(model: Any) -> None:
    """Drop `offload_state_to_cpu`, which the predictor hands to SAM 3.1's model, which does not take it."""
    start, option = model.init_state, "offload_state_to_cpu"
    if option not in inspect.signature(start).parameters:
        model.init_state = lambda **asked: start(**{key: asked[key] for key in asked if key != option})


def find_models(settings: MetaSettings) -> MetaModels:
    """Check that Meta's package and the checkpoints are there; the models are built later.

    Raises MetaPackageMissing, NeedsCuda, Sam3Unavailable.
    """
    if importlib.util.find_spec("sam3") is None:
        raise MetaPackageMissing
    device = "cuda" if settings.device == "auto" else settings.device
    if not (device.startswith("cuda") and torch.cuda.is_available()):
        raise NeedsCuda(
            f"Meta's package needs CUDA ({device} will not do): set MAQUETTE_SAM3_BACKEND=transformers"
        )
    try:
        check_gpu(torch, device)
    except GpuUnusable as error:
        raise NeedsCuda(str(error)) from error
    if settings.image_checkpoint is None:
        variable, file = (
            (CHECKPOINT_VARIABLE, "sam3.pt")
            if settings.images == "sam3"
            else (MULTIPLEX_VARIABLE, "sam3.1_multiplex.pt")
        )
        raise Sam3Unavailable(f"{variable} does not name the file {file}")
    weights = {}
    for name in dict.fromkeys((settings.image_checkpoint, settings.multiplex)):
        if name is not None:
            path = Path(name)
            if not path.is_file():
                raise Sam3Unavailable(f"{path} is not a file")
            with path.open("rb") as stream:
                weights[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return MetaModels(settings, device, weights)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "sam3":
            raise MetaPackageMissing from error
        raise
