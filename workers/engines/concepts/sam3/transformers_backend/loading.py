"""SAM 3's video model: loaded once, checked, made ready, and named by the hashes of its weights."""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from safetensors import SafetensorError

from workers.engines.concepts.sam3 import kernels
from workers.engines.concepts.sam3.profiles import Precision, Profile
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.tokenizer import PhraseTokenizer, load_tokenizer
from workers.engines.concepts.sam3.transformers_backend import roi_align
from workers.engines.concepts.sam3.transformers_backend.acceleration import accelerate
from workers.engines.concepts.sam3.transformers_backend.precision import (
    DTYPES,
    enter_precision,
    prepare_precision,
)
from workers.engines.concepts.sam3.transformers_backend.video_model import AlignedSam3Video, pad_geometry
from workers.engines.concepts.sam3.transformers_backend.weights import compute_sha256, find_weights
from workers.engines.gpu_support import check_gpu
from workers.engines.settings import SharedEngineSettings
from workers.engines.weights import WeightsCorrupt


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready: eval mode, kernel installed, on its device.

    `revision` is the hub's commit, "local" for a folder; `weights` maps file names to sha256.
    """

    model: Any
    tokenizer: PhraseTokenizer
    source: str
    revision: str
    weights: Mapping[str, str]
    profile: Profile

    @property
    def precision(self) -> Precision:
        """How exactly it computes."""
        return self.profile.precision

    def computing(self) -> AbstractContextManager[Any]:
        """The context in which everything with this model is computed."""
        return enter_precision(self.precision, self.device)

    @property
    def device(self) -> Any:
        """The torch device of the weights."""
        return self.model.device

    @property
    def dtype(self) -> Any:
        """The torch dtype of the weights."""
        return self.model.dtype

    @property
    def side(self) -> int:
        """The side in pixels of the square that the model reads."""
        return int(self.model.config.image_size)

    @property
    def fingerprint(self) -> str:
        """A short hash of the weights and the precision; a video snapshot fits no other model."""
        content = f"{sorted(self.weights.items())}{self.precision}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def load_model(settings: Sam3Settings) -> LoadedModel:
    """Load the model of the settings.

    Raises Sam3Unavailable when weights or tokenizer are not available, WeightsCorrupt when they do not fit
    the model, KernelMissing when transformers would skip its post-processing, GpuUnusable, and ValueError for
    a bad setting.
    """
    device = _resolve_device(settings)
    dtype = DTYPES[settings.resolve_profile(device.type).precision]
    folder, revision = find_weights(settings.source, settings.revision)
    weights = {path.name: compute_sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    try:
        model, report = AlignedSam3Video.from_pretrained(
            str(folder),
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsCorrupt(f"{folder} cannot be read as SAM 3 video weights: {error}") from error
    if report["missing_keys"] or report.get("mismatched_keys"):
        lost = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", [])]))
        raise WeightsCorrupt(f"{folder} lacks {len(lost)} tensors of SAM 3, the first is {lost[0]}")
    tokenizer = load_tokenizer(folder)
    return prepare_model(model.to(device), tokenizer, settings, revision=revision, weights=weights)


def prepare_model(
    model: Any,
    tokenizer: PhraseTokenizer,
    settings: Sam3Settings,
    *,
    revision: str = "local",
    weights: Mapping[str, str] | None = None,
) -> LoadedModel:
    """Make a built model ready: kernels installed and proved, eval mode.

    Raises KernelMissing, ValueError for settings that cannot be met.
    """
    kernels.install()
    kernels.check()
    roi_align.install()
    model.eval().requires_grad_(False)
    model.max_num_objects = settings.max_objects
    model.fill_hole_area = settings.postprocess.fill_area
    if settings.pad_geometry:
        pad_geometry(model)
    profile = settings.resolve_profile(model.device.type)
    if model.dtype == torch.bfloat16:
        # it has no float32 weights to compute with
        profile = replace(profile, precision="bfloat16")
    prepare_precision(model, profile.precision, tf32=profile.tf32)
    accelerate(model, profile)
    return LoadedModel(model, tokenizer, settings.source, revision, dict(weights or {}), profile)


def _resolve_device(settings: Sam3Settings) -> Any:
    """The torch device of the settings; raises GpuUnusable when a GPU is asked for that cannot be used."""
    device = settings.device
    if device == "auto":
        may_fall_back = not SharedEngineSettings().require_gpu
        device = "cpu" if may_fall_back and not torch.cuda.is_available() else "cuda"
    if device.startswith("cuda"):
        check_gpu(torch, device)
    return torch.device(device)
