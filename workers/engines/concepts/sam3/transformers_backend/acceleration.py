"""Attention kernels and compilation of a built model, as a profile says."""

from typing import Any

import torch

from workers.engines.concepts.sam3.profiles import Attention, Compile, Profile

KERNELS: dict[Attention, str] = {"sdpa": "sdpa", "flash": "flash_attention_2", "eager": "eager"}
# "reduce-overhead" is PyTorch's name for CUDA graphs
MODES: dict[Compile, str] = {
    "default": "default",
    "reduce-overhead": "reduce-overhead",
    "max-autotune": "max-autotune-no-cudagraphs",
}


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
        encoder = model.detector_model.vision_encoder
        encoder.backbone.compile(mode=MODES[profile.compile])
        if profile.compile == "reduce-overhead":
            encoder.register_forward_pre_hook(_begin_step)
            encoder.register_forward_hook(_keep_tokens)


def _begin_step(_module: Any, _inputs: Any) -> None:
    torch.compiler.cudagraph_mark_step_begin()


def _keep_tokens(_module: Any, _inputs: Any, output: Any) -> Any:
    """Copy the ViT's tokens, which embeddings keep: the next replay of a graph writes over its outputs."""
    output.last_hidden_state = output.last_hidden_state.clone()
    return output
