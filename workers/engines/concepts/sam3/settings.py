"""How SAM 3 is run: from the environment in a worker, from arguments in tests and benches."""

import importlib.util
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from workers.engines.concepts.sam3.profiles import (
    Attention,
    Compile,
    Profile,
    ProfileName,
    find_precision,
    find_profile,
)
from workers.engines.settings import EngineSettings

if TYPE_CHECKING:
    from workers.engines.protocols import MaskCleanup

HUB_ID = "facebook/sam3"
PATH_VARIABLE = "MAQUETTE_SAM3_PATH"
BACKEND_VARIABLE = "MAQUETTE_SAM3_BACKEND"
CHECKPOINT_VARIABLE = "MAQUETTE_SAM3_META_CHECKPOINT"
MULTIPLEX_VARIABLE = "MAQUETTE_SAM3_META_MULTIPLEX"

Backend = Annotated[
    Literal["transformers", "meta"],
    BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostprocessConfig:
    """Which of the detector's raw outputs become instances; areas are in cells of its 288 x 288 masks.

    The settings' default threshold is that of Meta's code (transformers has 0.3). Neither Meta's image code
    nor transformers has mask NMS within a phrase, and no real weights have judged its IoU and the area of
    holes.
    """

    # score (0..1) below which a detection is dropped
    threshold: float
    # mask IoU within a phrase above which the lower score is dropped; None keeps all
    nms_iou: float | None
    # holes and specks up to this area are removed; 0 keeps them
    fill_area: int
    # masks that a GPU upsamples at a time
    mask_chunk: int


class BackendSettings(EngineSettings):
    """What both backends read, each under its own prefix."""

    threshold: float = 0.5
    """Lowest score of a detection, where the request names none."""
    nms_iou: float | None = 0.7
    """Mask IoU above which the weaker of two detections of a phrase is dropped."""
    fill_area: int = 16
    """Holes and specks up to this many pixels of the model's 288 x 288 masks are removed; 0 keeps them."""
    mask_chunk: int = 8
    """Masks per pass of the mask upsampler."""
    phrase_chunk: int = 4
    """Pairs of image and phrase per pass of the detector."""
    cache_bytes: int = 2 * 2**30
    """Memory for embeddings of images."""
    max_objects: int = 128
    """Most objects that one video tracks."""

    @property
    def postprocess(self) -> PostprocessConfig:
        return PostprocessConfig(
            threshold=self.threshold,
            nms_iou=self.nms_iou,
            fill_area=self.fill_area,
            mask_chunk=self.mask_chunk,
        )

    def clean_with(self, cleanup: "MaskCleanup | None") -> PostprocessConfig:
        """The post-processing of one request."""
        config = self.postprocess
        if cleanup is None:
            return config
        nms_iou = config.nms_iou if cleanup.nms_iou is None else cleanup.nms_iou
        fill_area = config.fill_area if cleanup.fill_area is None else cleanup.fill_area
        return replace(config, nms_iou=nms_iou, fill_area=fill_area)


class Sam3Settings(BackendSettings):
    """Read by workers that serve SAM 3."""

    model_config = SettingsConfigDict(env_prefix="MAQUETTE_SAM3_")

    backend: Backend = Field(default="transformers", validation_alias=BACKEND_VARIABLE)
    """The code that runs SAM 3: `transformers`, or `meta` for Meta's own package."""
    source: str = Field(default=HUB_ID, validation_alias=PATH_VARIABLE)
    """Folder of the weights (`config.json` and `*.safetensors`), or a hub id."""
    revision: str | None = None
    """Revision on the hub."""
    device: str = "auto"
    """`auto`, `cpu`, or a CUDA device."""
    profile: Literal["auto"] | ProfileName = "auto"
    """`exact` computes in float32 without TF32, one frame at a time; `fast` by autocast, with TF32 and
    batches on a GPU; `auto` is `fast` on a GPU and `exact` elsewhere. Settings below change parts."""
    dtype: str = "auto"
    """`autocast` (float32 weights, bfloat16 autocast), `float32`, or `bfloat16` for the whole model, which is
    coarser; `auto` is the profile's."""
    tf32: bool | None = None
    """Whether what a GPU computes in float32 may use TF32; by default the profile's."""
    attention: Attention = "sdpa"
    """`sdpa` is PyTorch's own attention, which chooses a kernel; `flash` needs the package `flash-attn` and
    is not for float32; `eager` multiplies plain matrices."""
    compile: Compile = "off"
    """Compile the image encoder by `torch.compile`: `default`, `reduce-overhead` with CUDA graphs, or
    `max-autotune`, which also times kernels; the first pictures then take minutes."""
    pad_geometry: bool = True
    """Give text-only calls the empty geometry token that Meta's own code always has, and that all published
    figures were measured with."""
    phrase_cache_bytes: int = 64 * 2**20
    """Memory for embeddings of phrases."""
    pointer_history: int = 64
    """Conditioning frames per tracked object whose pointer is kept; up to that many, video is bit-identical
    to the unbounded model."""
    batch: int | None = Field(default=None, ge=1, validation_alias="MAQUETTE_SAM3_BATCH")
    """Frames of a video per pass of backbone and detector: 4 by default for `fast` on a GPU, else 1."""

    def resolve_profile(self, device: str) -> Profile:
        """How a model on a device of that type computes; raises ValueError for settings at odds."""
        plain = find_profile(self.profile, device)
        profile = replace(
            plain,
            precision=plain.precision if self.dtype == "auto" else find_precision(self.dtype),
            tf32=plain.tf32 if self.tf32 is None else self.tf32,
            attention=self.attention,
            compile=self.compile,
            batch=self.batch or plain.batch,
        )
        if profile.attention == "flash" and profile.precision == "float32":
            raise ValueError("MAQUETTE_SAM3_ATTENTION=flash does not compute in float32: choose autocast")
        return profile


class MetaSettings(BackendSettings):
    """Read by workers that serve SAM 3 with Meta's package (`MAQUETTE_SAM3_BACKEND=meta`)."""

    model_config = SettingsConfigDict(env_prefix="MAQUETTE_SAM3_META_")

    checkpoint: str | None = None
    """The file `sam3.pt`."""
    multiplex: str | None = None
    """The file `sam3.1_multiplex.pt`, which then processes the videos."""
    images: Literal["sam3", "sam3.1"] = "sam3"
    """Whose weights images have: those of `checkpoint`, or with `sam3.1` those of `multiplex`."""
    device: str = Field(default="auto", validation_alias="MAQUETTE_SAM3_DEVICE")
    """As MAQUETTE_SAM3_DEVICE of the other backend, which it shares."""
    max_frames: int = 600
    """Longest video, because Meta's session holds all of its frames at once."""
    mask_bytes: int = 16 * 2**30
    """Most memory of the machine for the masks of a video: those that wait for the last pass, and as bits
    those that Meta's session keeps for corrections; more is `video_too_long`."""
    compile: bool = False
    """Compile the models with `torch.compile`; the first pictures then take minutes."""
    flash_attention: bool | None = None
    """FlashAttention 3 for SAM 3.1; by default where the package `flash_attn_interface` is installed."""

    @property
    def image_checkpoint(self) -> str | None:
        """The file with the weights of images."""
        return self.multiplex if self.images == "sam3.1" else self.checkpoint

    def resolve_flash_attention(self) -> bool:
        """Whether SAM 3.1 uses FlashAttention 3."""
        if self.flash_attention is not None:
            return self.flash_attention
        return importlib.util.find_spec("flash_attn_interface") is not None
