"""Meta's own models at tiny size with the RANDOM weights of a tiny transformers model.

They need Meta's package: see `sam3_meta_detector`.
"""

import importlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch._dynamo

from tests.parity.sam3_meta_detector import HIDDEN, build, detector_parts, position
from tests.parity.sam3_meta_names import neck_of_clicks, renamed, renamed_tracker
from tests.parity.sam3_tiny import CELLS, PATCH, SIDE, WIDTH, tiny_config, tiny_model


def _find_predictor() -> Any:
    """Meta's request API: the base class of SAM 3.1, or that of the package on PyPI, which is of SAM 3."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return importlib.import_module("sam3.model.sam3_base_predictor").Sam3BasePredictor
        except ModuleNotFoundError:
            return importlib.import_module("sam3.model.sam3_video_predictor").Sam3VideoPredictor


Predictor: Any = _find_predictor()

# the click predictor is loaded apart, points as exemplars exist in Meta's code alone, tables are computed
NO_COUNTERPART = r"inst_interactive|freqs_cis|\.text_projection$|geometry_encoder\.points_"


def config() -> Any:
    """The tiny configuration, with the sizes that Meta's code does not let one choose."""
    built = tiny_config()
    built.detector_config.text_config.intermediate_size = 4 * built.detector_config.text_config.hidden_size
    clicks = built.tracker_config
    clicks.mask_decoder_config.num_attention_heads = 8
    clicks.mask_decoder_config.mlp_dim = 2048
    clicks.mask_decoder_config.iou_head_hidden_dim = 256
    clicks.memory_fuser_intermediate_dim = 4 * WIDTH
    return built


def tracker() -> Any:
    """Meta's click tracker at tiny size; the sizes of its mask decoder are fixed in its code."""
    shape = {"rope_theta": 10000.0, "feat_sizes": [CELLS, CELLS]}
    same = {"embedding_dim": WIDTH, "num_heads": 1, "downsample_rate": 1, "dropout": 0.0, **shape}
    layer = build.TransformerDecoderLayerv2(
        cross_attention_first=False,
        activation="relu",
        dim_feedforward=HIDDEN,
        dropout=0.0,
        pos_enc_at_attn=False,
        pre_norm=True,
        self_attention=build.RoPEAttention(**same),
        d_model=WIDTH,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=build.RoPEAttention(kv_in_dim=64, rope_k_repeat=True, **same),
    )
    encoder = build.TransformerEncoderCrossAttention(
        remove_cross_attention_layers=[],
        batch_first=True,
        d_model=WIDTH,
        frozen=False,
        pos_enc_at_input=True,
        layer=layer,
        num_layers=1,
        use_act_checkpoint=False,
    )
    memory = build.SimpleMaskEncoder(
        out_dim=64,
        in_dim=WIDTH,
        position_encoding=position(64),
        mask_downsampler=build.SimpleMaskDownSampler(
            embed_dim=WIDTH, kernel_size=3, stride=2, padding=1, interpol_size=[16 * CELLS] * 2
        ),
        fuser=build.SimpleFuser(
            layer=build.CXBlock(dim=WIDTH, kernel_size=7, padding=3, layer_scale_init_value=0.1), num_layers=2
        ),
    )
    return build.Sam3TrackerPredictor(
        image_size=SIDE,
        num_maskmem=7,
        backbone=None,
        backbone_stride=PATCH,
        transformer=build.TransformerWrapper(encoder=encoder, decoder=None, d_model=WIDTH),
        maskmem_backbone=memory,
        multimask_output_in_sam=True,
        forward_backbone_per_frame_for_eval=True,
        multimask_output_for_tracking=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        non_overlap_masks_for_output=False,
        max_cond_frames_in_attn=4,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
        clear_non_cond_mem_around_input=True,
        fill_hole_area=0,
    )


def same_weights(seed: int) -> Any:
    """A tiny transformers model that Meta's code can take the weights of: it knows one position table."""
    built = tiny_model(seed, config())
    clicks = built.tracker_model
    with torch.no_grad():
        table = clicks.prompt_encoder.shared_embedding.positional_embedding
        clicks.shared_image_embedding.positional_embedding.copy_(table)
    return built


def meta_tracker(model: Any) -> Any:
    """Meta's click tracker in eval mode with the weights of a tiny transformers model."""
    built = tracker().eval()
    built.load_state_dict(renamed_tracker(model), strict=True)
    return built


def meta_image_model(model: Any) -> Any:
    """Meta's `Sam3Image` in eval mode on the CPU with the weights of a tiny transformers model."""
    clicks = build.SAM3InteractiveImagePredictor(meta_tracker(model), max_hole_area=0)
    clicks._bb_feat_sizes = [(4 * CELLS, 4 * CELLS), (2 * CELLS, 2 * CELLS), (CELLS, CELLS)]
    built = build.Sam3Image(
        o2m_mask_predict=True,
        use_instance_query=False,
        multimask_output=True,
        inst_interactive_predictor=clicks,
        matcher=None,
        **detector_parts(),
    ).eval()
    state = {**renamed(model.detector_model), **neck_of_clicks(model)}
    lost = set(built.load_state_dict(state, strict=False).missing_keys)
    unknown = {key for key in lost if not re.search(NO_COUNTERPART, key)}
    assert not unknown, f"no weights for {sorted(unknown)}"
    return built


def _apply(activation: Any, linear: Any, rows: torch.Tensor) -> Any:
    """`addmm_act` of newer commits, which is written for CUDA, from PyTorch's own operators."""
    return activation()(linear(rows))


@contextmanager
def without_cuda() -> Iterator[None]:
    """Let Meta's code run on a CPU, in float32: it names CUDA, pinned memory and bfloat16 in many places."""
    vit = importlib.import_module("sam3.model.vitdet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._dynamo.config, "disable", True)
        patch.setattr(torch.Tensor, "cuda", lambda tensor, *_, **__: tensor)
        patch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_, **__: tensor)
        # only logged by Meta's code
        patch.setattr(Predictor, "_get_torch_and_gpu_properties", lambda _: "", raising=False)
        patch.setattr(Predictor, "_get_session_stats", lambda _: "", raising=False)
        # a torch without CUDA raises more than newer commits expect
        patch.setattr(Predictor, "_gpu_mem_snapshot", lambda _: {"total_bytes": 0}, raising=False)
        patch.setattr(vit, "addmm_act", _apply, raising=False)
        yield


class OnCpu(Predictor):  # type: ignore[misc, valid-type]
    """Meta's request API; run it in CPU autocast, which reading a video does not stand."""

    def __init__(self) -> None:
        """Leave the models to `meta_predictor`: Meta's own builder calls CUDA."""
        # the class of SAM 3 on PyPI keeps them in an attribute of its own
        self._all_inference_states: dict[str, dict[str, Any]] = {}

    def start_session(self, *given: Any, **named: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return super().start_session(*given, **named)


def meta_predictor(model: Any, **thresholds: Any) -> Any:
    """Meta's video model behind its own request API, on the CPU with the same weights."""
    actual = build.Sam3ImageOnVideoMultiGPU(
        semantic_segmentation_head=None,
        use_early_fusion=True,
        use_dot_prod_scoring=True,
        supervise_joint_box_scores=True,
        **detector_parts(),
    )
    actual.load_state_dict({**renamed(model.detector_model), **neck_of_clicks(model)}, strict=False)
    video = build.Sam3VideoInferenceWithInstanceInteractivity(
        detector=actual,
        tracker=meta_tracker(model),
        assoc_iou_thresh=0.1,
        det_nms_thresh=0.1,
        hotstart_delay=4,
        hotstart_unmatch_thresh=4,
        hotstart_dup_thresh=4,
        suppress_unmatched_only_within_hotstart=True,
        min_trk_keep_alive=-1,
        max_trk_keep_alive=30,
        init_trk_keep_alive=30,
        suppress_overlapping_based_on_recent_occlusion_threshold=0.7,
        suppress_det_close_to_boundary=False,
        fill_hole_area=0,
        recondition_every_nth_frame=16,
        masklet_confirmation_enable=False,
        decrease_trk_keep_alive_for_empty_masklets=False,
        image_size=SIDE,
        image_mean=(0.5, 0.5, 0.5),
        image_std=(0.5, 0.5, 0.5),
        compile_model=False,
        **{"score_threshold_detection": 0.5, "new_det_thresh": 0.7, **thresholds},
    ).eval()
    keep = video.tracker.init_state
    video.tracker.init_state = lambda **asked: keep(**{**asked, "offload_state_to_cpu": True})
    predictor = OnCpu()
    predictor.model = video
    predictor.async_loading_frames, predictor.video_loader_type = False, "cv2"
    return predictor
