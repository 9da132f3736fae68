"""A tiny SAM 3 with RANDOM weights: it judges the wiring, never the quality."""

import os
from importlib import metadata
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Sam3VideoConfig

from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.tokenizer import load_open_clip_tokenizer
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel, prepare_model
from workers.engines.concepts.sam3.transformers_backend.video_model import AlignedSam3Video

try:
    metadata.distribution("open_clip_torch")
except metadata.PackageNotFoundError:
    reason = "a model without tokenizer files needs its vocabulary: pip install --no-deps open_clip_torch"
    # benches draw from here, too, where pytest is not installed
    if "PYTEST_VERSION" not in os.environ:
        raise ImportError(reason) from None
    import pytest

    pytest.skip(reason, allow_module_level=True)

# a model this small is slower on two threads, and much slower on a busy machine
torch.set_num_threads(1)

SIDE = 112
PATCH = 14
CELLS = SIDE // PATCH
# rotary memory attention needs the memory channels to divide the FPN's
WIDTH = 128
GAIN = 3.0


def tiny_vision() -> dict[str, Any]:
    """The vision encoder, which detector and click tracker share."""
    return {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
            "window_size": 4,
            "global_attn_indexes": [1],
            "pretrain_image_size": SIDE,
        },
        "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[4 * CELLS] * 2, [2 * CELLS] * 2, [CELLS] * 2],
    }


def tiny_detector(vision: dict[str, Any]) -> dict[str, Any]:
    """The detector of phrases and exemplars."""
    small = {"hidden_size": WIDTH, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return {
        "model_type": "sam3",
        "vision_config": vision,
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": 49408,
            "hidden_size": 32,
            "intermediate_size": 64,
            "projection_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "hidden_act": "gelu",
        },
        "geometry_encoder_config": small,
        "detr_encoder_config": small,
        "detr_decoder_config": {**small, "num_queries": 10},
        "mask_decoder_config": {"hidden_size": WIDTH, "num_upsampling_stages": 2, "num_attention_heads": 2},
    }


def tiny_tracker(vision: dict[str, Any]) -> dict[str, Any]:
    """The click tracker."""
    return {
        "model_type": "sam3_tracker_video",
        "vision_config": vision,
        "prompt_encoder_config": {"hidden_size": WIDTH, "image_size": SIDE, "patch_size": PATCH},
        "mask_decoder_config": {
            "hidden_size": WIDTH,
            "mlp_dim": 64,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 64,
        "memory_attention_rope_feat_sizes": [CELLS, CELLS],
        "memory_encoder_hidden_size": WIDTH,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 64,
        "image_size": SIDE,
    }


def tiny_config(**changes: Any) -> Sam3VideoConfig:
    """The configuration of a video model of about 2 M parameters; `changes` go to its top level."""
    vision = tiny_vision()
    return Sam3VideoConfig(
        detector_config=tiny_detector(vision),
        tracker_config=tiny_tracker(vision),
        low_res_mask_size=4 * CELLS,
        **changes,
    )


def tiny_model(seed: int = 0, config: Sam3VideoConfig | None = None, **changes: Any) -> AlignedSam3Video:
    """A model in eval mode on the CPU in float32 with random weights that follow from the seed."""
    torch.manual_seed(seed)
    built: AlignedSam3Video = enliven(AlignedSam3Video(config or tiny_config(**changes)))
    return built.eval()


def enliven(model: Any) -> Any:
    """The model with its matrices scaled up from their initial 0.02, and with noise in place of zeros.

    So prompts, pixels, memory and learned embeddings all move the outputs.
    """
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() < 2:
                value.add_(0.1 * torch.randn_like(value))
            elif value.any():
                value.mul_(GAIN)
            else:
                value.add_(0.02 * torch.randn_like(value))
    return model


def tiny_loaded(model: Any, settings: Sam3Settings) -> LoadedModel:
    """A tiny model made ready as a real one is."""
    return prepare_model(
        model, load_open_clip_tokenizer(), settings, revision="random", weights={"random": "0" * 64}
    )


# settings under which ours is transformers' own model, with every query an instance
STOCK: dict[str, Any] = {"threshold": 0.0, "nms_iou": None, "pad_geometry": False}


def tiny_engine(seed: int = 0, **settings: Any) -> Sam3Concepts:
    """An engine on random weights; by default every query is an instance, and nothing is suppressed."""
    chosen = Sam3Settings(source="random", **{**STOCK, **settings})
    return Sam3Concepts(chosen, loaded=tiny_loaded(tiny_model(seed), chosen))


def draw_image(step: int = 0, size: tuple[int, int] = (90, 140)) -> NDArray[np.uint8]:
    """An RGB image (H, W, 3) of two discs on noise; they move with the step."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    out = np.random.default_rng(0).integers(0, 80, (*size, 3), dtype=np.uint8)
    out[(columns - 20 - 2.5 * step) ** 2 + (rows - 40) ** 2 < 300] = (250, 30, 30)
    out[(columns - 120 + 2 * step) ** 2 + (rows - 60) ** 2 < 200] = (30, 240, 40)
    return out


IMAGE = draw_image()
SIZE = IMAGE.shape[:2]
# around the red disc
BOX = (5.0, 20.0, 40.0, 60.0)
NO_POINTS = np.zeros((0, 2)), np.zeros(0, np.int64)
