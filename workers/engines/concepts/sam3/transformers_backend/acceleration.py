"""Attention kernels and compilation of a built model, as a profile says."""

from typing import Any

from workers.engines.concepts.sam3.profiles import Attention, Compile, Profile

KERNELS: dict[Attention, str] = {"sdpa": "sdpa", "flash": "flash_attention_2", "eager": "eager"}
# CUDA graphs stay out: their memory belongs to the thread that recorded them, and an engine is warmed up in
# another one than the one that owns it later
MODES: dict[Compile, str] = {"default": "default", "max-autotune": "max-autotune-no-cudagraphs"}


def accelerate(model: Any, profile: Profile) -> None:
    """Choose the attention kernel, and compile the image encoder when it is first called.

    Raises ValueError where the kernel's package is missing.
    """
    kernel = KERNELS[profile.attention]
    try:
        if model.config._attn_implementation != kernel:
            model.set_attn_implementation(kernel)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"attention {profile.attention!r} cannot be used here: {error}") from error
    if profile.compile != "off":
        # the ViT alone: its shapes are fixed but for the batch, and it takes most of the time
        model.detector_model.vision_encoder.backbone.compile(mode=MODES[profile.compile])
