"""Meta's own models at tiny size with the RANDOM weights of a tiny transformers model.

Meta's package is not on an index: these helpers need its checkout (facebookresearch/sam3 at the commit that
`meta_loading.COMMIT` names) on the path, with timm, iopath and torchvision.
"""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch._dynamo

from tests.parity.sam3_tiny import CELLS, PATCH, SIDE, WIDTH, tiny_config, tiny_model

for needed in ("sam3", "triton", "torchvision", "timm"):
    pytest.importorskip(needed, reason=f"Meta's package is not installed whole: no {needed}")


build: Any = importlib.import_module("sam3.model_builder")
SequenceGeometryEncoder: Any = importlib.import_module("sam3.model.geometry_encoders").SequenceGeometryEncoder
misc: Any = importlib.import_module("sam3.model.model_misc")
Sam3BasePredictor: Any = importlib.import_module("sam3.model.sam3_base_predictor").Sam3BasePredictor

HEADS, HIDDEN, QUERIES = 2, 64, 10
BPE = "assets/bpe_simple_vocab_16e6.txt.gz"
# the click predictor is loaded apart, points as exemplars exist in Meta's code alone, tables are computed
NO_COUNTERPART = r"inst_interactive|freqs_cis|\.text_projection$|geometry_encoder\.points_"
# our names of the detector's parts -> Meta's; attention is fused below
NAMES = [
    (r"^vision_encoder\.backbone\.embeddings\.position_embeddings$", "V.trunk.pos_embed"),
    (r"^vision_encoder\.backbone\.embeddings\.patch_embeddings\.projection", "V.trunk.patch_embed.proj"),
    (r"^vision_encoder\.backbone\.layer_norm\.", "V.trunk.ln_pre."),
    (r"^vision_encoder\.backbone\.layers\.(\d+)\.layer_norm", r"V.trunk.blocks.\1.norm"),
    (r"^vision_encoder\.backbone\.layers\.(\d+)\.attention\.o_proj", r"V.trunk.blocks.\1.attn.proj"),
    (r"^vision_encoder\.backbone\.layers\.(\d+)\.attention\.in_proj_", r"V.trunk.blocks.\1.attn.qkv."),
    (r"^vision_encoder\.backbone\.layers\.(\d+)\.mlp", r"V.trunk.blocks.\1.mlp"),
    (r"^vision_encoder\.neck\.fpn_layers\.0\.scale_layers\.0", "V.convs.0.dconv_2x2_0"),
    (r"^vision_encoder\.neck\.fpn_layers\.0\.scale_layers\.2", "V.convs.0.dconv_2x2_1"),
    (r"^vision_encoder\.neck\.fpn_layers\.1\.scale_layers\.0", "V.convs.1.dconv_2x2"),
    (r"^vision_encoder\.neck\.fpn_layers\.(\d+)\.proj1", r"V.convs.\1.conv_1x1"),
    (r"^vision_encoder\.neck\.fpn_layers\.(\d+)\.proj2", r"V.convs.\1.conv_3x3"),
    (r"^text_encoder\.text_model\.embeddings\.token_embedding", "L.encoder.token_embedding"),
    (
        r"^text_encoder\.text_model\.embeddings\.position_embedding\.weight",
        "L.encoder.positional_embedding",
    ),
    (r"^text_encoder\.text_model\.final_layer_norm", "L.encoder.ln_final"),
    (
        r"^text_encoder\.text_model\.encoder\.layers\.(\d+)\.self_attn",
        r"L.encoder.transformer.resblocks.\1.attn",
    ),
    (
        r"^text_encoder\.text_model\.encoder\.layers\.(\d+)\.layer_norm",
        r"L.encoder.transformer.resblocks.\1.ln_",
    ),
    (
        r"^text_encoder\.text_model\.encoder\.layers\.(\d+)\.mlp\.fc1",
        r"L.encoder.transformer.resblocks.\1.mlp.c_fc",
    ),
    (
        r"^text_encoder\.text_model\.encoder\.layers\.(\d+)\.mlp\.fc2",
        r"L.encoder.transformer.resblocks.\1.mlp.c_proj",
    ),
    (r"^text_projection", "L.resizer"),
    (r"^geometry_encoder\.vision_layer_norm", "geometry_encoder.img_pre_norm"),
    (r"^geometry_encoder\.prompt_layer_norm", "geometry_encoder.norm"),
    (r"^geometry_encoder\.output_layer_norm", "geometry_encoder.encode_norm"),
    (r"^geometry_encoder\.layers", "geometry_encoder.encode"),
    (r"^(geometry_encoder\.encode\.\d+)\.cross_attn", r"\1.cross_attn_image"),
    (r"^detr_encoder", "transformer.encoder"),
    (r"^(transformer\.encoder\.layers\.\d+)\.cross_attn", r"\1.cross_attn_image"),
    (r"^detr_decoder", "transformer.decoder"),
    (r"^(transformer\.decoder)\.output_layer_norm", r"\1.norm"),
    (r"^(transformer\.decoder)\.presence_layer_norm", r"\1.presence_token_out_norm"),
    (r"^(transformer\.decoder)\.presence_head", r"\1.presence_token_head"),
    (r"^(transformer\.decoder)\.box_head", r"\1.bbox_embed"),
    (r"^(transformer\.decoder)\.box_rpb_embed", r"\1.boxRPB_embed"),
    (r"^(transformer\.decoder\.layers\.\d+)\.text_cross_attn\.", r"\1.ca_text."),
    (r"^(transformer\.decoder\.layers\.\d+)\.vision_cross_attn\.", r"\1.cross_attn."),
    (r"^(transformer\.decoder\.layers\.\d+)\.vision_cross_attn_layer_norm", r"\1.norm1"),
    (r"^(transformer\.decoder\.layers\.\d+)\.text_cross_attn_layer_norm", r"\1.catext_norm"),
    (r"^(transformer\.decoder\.layers\.\d+)\.self_attn_layer_norm", r"\1.norm2"),
    (r"^(transformer\.decoder\.layers\.\d+)\.mlp_layer_norm", r"\1.norm3"),
    (r"^dot_product_scoring\.text_mlp_out_norm", "dot_prod_scoring.prompt_mlp.out_norm"),
    (r"^dot_product_scoring\.text_mlp", "dot_prod_scoring.prompt_mlp"),
    (r"^dot_product_scoring\.text_proj", "dot_prod_scoring.prompt_proj"),
    (r"^dot_product_scoring\.query_proj", "dot_prod_scoring.hs_proj"),
    (r"^mask_decoder\.pixel_decoder", "segmentation_head.pixel_decoder"),
    (r"^mask_decoder\.mask_embedder", "segmentation_head.mask_predictor.mask_embed"),
    (r"^mask_decoder\.instance_projection", "segmentation_head.instance_seg_head"),
    (r"^mask_decoder\.semantic_projection", "segmentation_head.semantic_seg_head"),
    (r"^mask_decoder\.prompt_cross_attn_norm", "segmentation_head.cross_attn_norm"),
    (r"^mask_decoder\.prompt_cross_attn", "segmentation_head.cross_attend_prompt"),
    # inside the layers of the DETR-like parts
    (r"^((?:geometry_encoder|transformer|segmentation_head).*)\.o_proj", r"\1.out_proj"),
    (r"^((?:geometry_encoder|transformer).*)\.mlp\.fc1", r"\1.linear1"),
    (r"^((?:geometry_encoder|transformer).*)\.mlp\.fc2", r"\1.linear2"),
    (r"^((?:geometry_encoder|transformer).*)\.layer_norm(\d)", r"\1.norm\2"),
    (r"^(transformer\.decoder\..*|dot_prod_scoring\..*)\.layer1\.", r"\1.layers.0."),
    (r"^(transformer\.decoder\..*|dot_prod_scoring\..*)\.layer2\.", r"\1.layers.1."),
    (r"^(transformer\.decoder\..*)\.layer3\.", r"\1.layers.2."),
    (r"^V\.", "backbone.vision_backbone."),
    (r"^L\.", "backbone.language_backbone."),
]


# our names of the click tracker's parts -> Meta's
TRACKER_NAMES = [
    (r"^no_memory_embedding", "no_mem_embed"),
    (r"^no_memory_positional_encoding", "no_mem_pos_enc"),
    (r"^memory_temporal_positional_encoding", "maskmem_tpos_enc"),
    (r"^no_object_pointer", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"),
    (
        r"^prompt_encoder\.shared_embedding\.positional_embedding",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"^prompt_encoder\.mask_embed\.conv1", "sam_prompt_encoder.mask_downscaling.0"),
    (r"^prompt_encoder\.mask_embed\.layer_norm1", "sam_prompt_encoder.mask_downscaling.1"),
    (r"^prompt_encoder\.mask_embed\.conv2", "sam_prompt_encoder.mask_downscaling.3"),
    (r"^prompt_encoder\.mask_embed\.layer_norm2", "sam_prompt_encoder.mask_downscaling.4"),
    (r"^prompt_encoder\.mask_embed\.conv3", "sam_prompt_encoder.mask_downscaling.6"),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^mask_decoder\.upscale_conv1", "mask_decoder.output_upscaling.0"),
    (r"^mask_decoder\.upscale_layer_norm", "mask_decoder.output_upscaling.1"),
    (r"^mask_decoder\.upscale_conv2", "mask_decoder.output_upscaling.3"),
    (r"^mask_decoder\.transformer\.layer_norm_final_attn", "mask_decoder.transformer.norm_final_attn"),
    (r"^(mask_decoder\.transformer\.layers\.\d+)\.mlp\.proj_in", r"\1.mlp.lin1"),
    (r"^(mask_decoder\.transformer\.layers\.\d+)\.mlp\.proj_out", r"\1.mlp.lin2"),
    (r"^(mask_decoder\..*|object_pointer_proj)\.layers\.0\.(weight|bias)$", r"\1.layers.1.\2"),
    (r"^(mask_decoder\..*|object_pointer_proj)\.proj_in\.", r"\1.layers.0."),
    (r"^(mask_decoder\..*|object_pointer_proj)\.proj_out\.", r"\1.layers.2."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"^memory_attention\.layer_norm\.", "transformer.encoder.norm."),
    (r"^memory_attention\.", "transformer.encoder."),
    (r"^memory_encoder\.mask_downsampler\.final_conv", "maskmem_backbone.mask_downsampler.encoder.12"),
    (r"^memory_encoder\.feature_projection", "maskmem_backbone.pix_feat_proj"),
    (r"^memory_encoder\.projection", "maskmem_backbone.out_proj"),
    (r"^memory_encoder\.memory_fuser\.layers\.(\d+)\.scale", r"maskmem_backbone.fuser.layers.\1.gamma"),
    (
        r"^memory_encoder\.memory_fuser\.layers\.(\d+)\.depthwise_conv",
        r"maskmem_backbone.fuser.layers.\1.dwconv",
    ),
    (r"^memory_encoder\.memory_fuser\.layers\.(\d+)\.layer_norm", r"maskmem_backbone.fuser.layers.\1.norm"),
    (
        r"^memory_encoder\.memory_fuser\.layers\.(\d+)\.pointwise_conv",
        r"maskmem_backbone.fuser.layers.\1.pwconv",
    ),
    (r"^object_pointer_proj", "obj_ptr_proj"),
    (r"^temporal_positional_encoding_projection_layer", "obj_ptr_tpos_proj"),
    (r"^((?:sam_mask_decoder|transformer).*)\.o_proj", r"\1.out_proj"),
    (r"^((?:sam_mask_decoder\.transformer|transformer).*)\.layer_norm(\d)", r"\1.norm\2"),
]


def config() -> Any:
    """The tiny configuration, with the sizes that Meta's code does not let one choose."""
    made = tiny_config()
    made.detector_config.text_config.intermediate_size = 4 * made.detector_config.text_config.hidden_size
    clicks = made.tracker_config
    clicks.mask_decoder_config.num_attention_heads = 8
    clicks.mask_decoder_config.mlp_dim = 2048
    clicks.mask_decoder_config.iou_head_hidden_dim = 256
    clicks.memory_fuser_intermediate_dim = 4 * WIDTH
    return made


def renamed(detector: Any) -> dict[str, Any]:
    """The detector's weights under Meta's names; q, k and v are one matrix there."""
    state: dict[str, Any] = dict(detector.state_dict())
    for key in [key for key in state if ".q_proj." in key]:
        parts = [state.pop(key.replace(".q_proj.", f".{kind}_proj.")) for kind in "qkv"]
        state[key.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
    out = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        out[name] = value
    # Meta's table begins with a place for a class token that this ViT does not have
    table = "backbone.vision_backbone.trunk.pos_embed"
    out[table] = torch.cat([torch.zeros_like(out[table][:, :1]), out[table]], dim=1)
    return out


def renamed_tracker(model: Any) -> dict[str, Any]:
    """The click tracker's weights under Meta's names."""
    out = {}
    for key, value in model.tracker_model.state_dict().items():
        name = key
        found = re.match(r"^memory_encoder\.mask_downsampler\.layers\.(\d+)\.(conv|layer_norm)(.*)", name)
        if found:
            place = 3 * int(found[1]) + (found[2] == "layer_norm")
            name = f"maskmem_backbone.mask_downsampler.encoder.{place}{found[3]}"
        for pattern, replacement in TRACKER_NAMES:
            name = re.sub(pattern, replacement, name)
        out[name] = value
    for row, value in enumerate(out.pop("sam_prompt_encoder.point_embed.weight")):
        out[f"sam_prompt_encoder.point_embeddings.{row}.weight"] = value[None]
    del out["shared_image_embedding.positional_embedding"]
    return out


def neck_of_clicks(model: Any) -> dict[str, Any]:
    """The click tracker's feature maps come from a neck of their own; Meta keeps it beside the detector's."""
    out = {}
    for key, value in model.tracker_neck.state_dict().items():
        name = f"vision_encoder.neck.{key}"
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        out[name.replace(".convs.", ".sam2_convs.")] = value
    return out


def position(width: int = WIDTH) -> Any:
    """Meta's sine position encoding, without the table that it would make on a GPU."""
    return build.PositionEmbeddingSine(num_pos_feats=width, normalize=True, scale=None, temperature=10000)


def detector_parts() -> dict[str, Any]:
    """What Meta's builder makes a detector of, at tiny size."""
    attention: dict[str, Any] = {"num_heads": HEADS, "dropout": 0.0, "embed_dim": WIDTH}
    trunk = build.ViT(
        img_size=SIDE,
        pretrain_img_size=SIDE,
        patch_size=PATCH,
        embed_dim=64,
        depth=2,
        num_heads=HEADS,
        mlp_ratio=2.0,
        norm_layer="LayerNorm",
        qkv_bias=True,
        use_abs_pos=True,
        tile_abs_pos=True,
        global_att_blocks=(1,),
        rel_pos_blocks=(),
        use_rope=True,
        use_interp_rope=True,
        window_size=4,
        pretrain_use_cls_token=True,
        retain_cls_token=False,
        ln_pre=True,
        ln_post=False,
        return_interm_layers=False,
        bias_patch_embed=False,
    )
    neck = build.Sam3DualViTDetNeck(
        position_encoding=position(),
        d_model=WIDTH,
        scale_factors=[4.0, 2.0, 1.0, 0.5],
        trunk=trunk,
        add_sam2_neck=True,
    )
    words = build.VETextEncoder(
        tokenizer=build.SimpleTokenizer(bpe_path=build.pkg_resources.resource_filename("sam3", BPE)),
        d_model=WIDTH,
        width=32,
        heads=HEADS,
        layers=1,
    )

    def layer(*, keys: bool, at: bool, batch_first: bool) -> Any:
        return build.TransformerEncoderLayer(
            activation="relu",
            d_model=WIDTH,
            dim_feedforward=HIDDEN,
            dropout=0.0,
            pos_enc_at_attn=at,
            pos_enc_at_cross_attn_keys=keys,
            pos_enc_at_cross_attn_queries=False,
            pre_norm=True,
            self_attention=build.MultiheadAttention(batch_first=batch_first, **attention),
            cross_attention=build.MultiheadAttention(batch_first=batch_first, **attention),
        )

    encoder = build.TransformerEncoderFusion(
        layer=layer(keys=False, at=True, batch_first=True),
        num_layers=1,
        d_model=WIDTH,
        num_feature_levels=1,
        frozen=False,
        use_act_checkpoint=False,
        add_pooled_text_to_img_feat=False,
        pool_text_with_mask=True,
    )
    decoder = build.TransformerDecoder(
        layer=build.TransformerDecoderLayer(
            activation="relu",
            d_model=WIDTH,
            dim_feedforward=HIDDEN,
            dropout=0.0,
            cross_attention=build.MultiheadAttention(**attention),
            n_heads=HEADS,
            use_text_cross_attention=True,
        ),
        num_layers=1,
        num_queries=QUERIES,
        return_intermediate=True,
        box_refine=True,
        num_o2m_queries=0,
        dac=True,
        boxRPB="log",
        d_model=WIDTH,
        frozen=False,
        interaction_layer=None,
        dac_use_selfatt_ln=True,
        use_act_checkpoint=False,
        presence_token=True,
    )
    geometry = SequenceGeometryEncoder(
        pos_enc=position(),
        encode_boxes_as_points=False,
        points_direct_project=True,
        points_pool=True,
        points_pos_enc=True,
        boxes_direct_project=True,
        boxes_pool=True,
        boxes_pos_enc=True,
        d_model=WIDTH,
        num_layers=1,
        layer=layer(keys=True, at=False, batch_first=False),
        use_act_ckpt=False,
        add_cls=True,
        add_post_encode_proj=True,
    )
    pixels = build.PixelDecoder(num_upsampling_stages=2, interpolation_mode="nearest", hidden_dim=WIDTH)
    head = build.UniversalSegmentationHead(
        hidden_dim=WIDTH,
        upsampling_stages=2,
        aux_masks=False,
        presence_head=False,
        dot_product_scorer=None,
        act_ckpt=False,
        cross_attend_prompt=build.MultiheadAttention(**attention),
        pixel_decoder=pixels,
    )
    scoring = misc.DotProductScoring(
        d_model=WIDTH,
        d_proj=WIDTH,
        prompt_mlp=misc.MLP(
            input_dim=WIDTH,
            hidden_dim=HIDDEN,
            output_dim=WIDTH,
            num_layers=2,
            dropout=0.0,
            residual=True,
            out_norm=torch.nn.LayerNorm(WIDTH),
        ),
    )
    return {
        "backbone": build.SAM3VLBackbone(visual=neck, text=words, scalp=1),
        "transformer": build.TransformerWrapper(encoder=encoder, decoder=decoder, d_model=WIDTH),
        "input_geometry_encoder": geometry,
        "segmentation_head": head,
        "num_feature_levels": 1,
        "dot_prod_scoring": scoring,
    }


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
    made = tiny_model(seed, config())
    clicks = made.tracker_model
    with torch.no_grad():
        table = clicks.prompt_encoder.shared_embedding.positional_embedding
        clicks.shared_image_embedding.positional_embedding.copy_(table)
    return made


def meta_tracker(model: Any) -> Any:
    """Meta's click tracker in eval mode with the weights of a tiny transformers model."""
    made = tracker().eval()
    made.load_state_dict(renamed_tracker(model), strict=True)
    return made


def meta_image_model(model: Any) -> Any:
    """Meta's `Sam3Image` in eval mode on the CPU with the weights of a tiny transformers model."""
    clicks = build.SAM3InteractiveImagePredictor(meta_tracker(model), max_hole_area=0)
    clicks._bb_feat_sizes = [(4 * CELLS, 4 * CELLS), (2 * CELLS, 2 * CELLS), (CELLS, CELLS)]
    made = build.Sam3Image(
        o2m_mask_predict=True,
        use_instance_query=False,
        multimask_output=True,
        inst_interactive_predictor=clicks,
        matcher=None,
        **detector_parts(),
    ).eval()
    state = {**renamed(model.detector_model), **neck_of_clicks(model)}
    lost = set(made.load_state_dict(state, strict=False).missing_keys)
    unknown = {key for key in lost if not re.search(NO_COUNTERPART, key)}
    assert not unknown, f"no weights for {sorted(unknown)}"
    return made


@contextmanager
def without_cuda() -> Iterator[None]:
    """Let Meta's code run on a CPU, in float32: it names CUDA, pinned memory and bfloat16 in many places."""
    vit = importlib.import_module("sam3.model.vitdet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._dynamo.config, "disable", True)
        patch.setattr(torch.Tensor, "cuda", lambda tensor, *_, **__: tensor)
        patch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_, **__: tensor)
        patch.setattr(vit, "addmm_act", lambda activation, linear, rows: activation()(linear(rows)))
        yield


class OnCpu(Sam3BasePredictor):  # type: ignore[misc, valid-type]
    """Meta's request API; run it in CPU autocast, which reading a video does not stand."""

    def start_session(self, *given: Any, **named: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return super().start_session(*given, **named)


def meta_predictor(model: Any, **thresholds: Any) -> Any:
    """Meta's video model behind its own request API, on the CPU with the same weights."""
    found = build.Sam3ImageOnVideoMultiGPU(
        semantic_segmentation_head=None,
        use_early_fusion=True,
        use_dot_prod_scoring=True,
        supervise_joint_box_scores=True,
        **detector_parts(),
    )
    found.load_state_dict({**renamed(model.detector_model), **neck_of_clicks(model)}, strict=False)
    video = build.Sam3VideoInferenceWithInstanceInteractivity(
        detector=found,
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
    video.tracker.init_state = lambda **asked: keep(offload_state_to_cpu=True, **asked)
    predictor = OnCpu()
    predictor.model = video
    predictor.async_loading_frames, predictor.video_loader_type = False, "cv2"
    return predictor
