"""The weights of transformers' SAM 3 under the names that Meta's package gives them."""

import re
from typing import Any

import torch

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
        actual = re.match(r"^memory_encoder\.mask_downsampler\.layers\.(\d+)\.(conv|layer_norm)(.*)", name)
        if actual:
            place = 3 * int(actual[1]) + (actual[2] == "layer_norm")
            name = f"maskmem_backbone.mask_downsampler.encoder.{place}{actual[3]}"
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
