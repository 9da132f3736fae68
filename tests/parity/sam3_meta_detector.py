"""Meta's detector at tiny size, of the parts that Meta's builder makes it of.

It runs with the package that Meta has on PyPI (SAM 3) and with a checkout of facebookresearch/sam3 at
`loading.COMMIT` of our backend (SAM 3.1), each with timm, iopath, einops and torchvision.
"""

import importlib
import importlib.util
import warnings
from importlib.resources import files
from typing import Any

import pytest
import torch

from tests.parity.meta_kernels import without_triton
from tests.parity.sam3_tiny import PATCH, SIDE, WIDTH

for needed in ("sam3", "torchvision", "timm"):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"Meta's package is not installed whole: no {needed}", allow_module_level=True)

with without_triton(), warnings.catch_warnings(action="ignore"):
    build: Any = importlib.import_module("sam3.model_builder")
    geometry_encoders: Any = importlib.import_module("sam3.model.geometry_encoders")
    misc: Any = importlib.import_module("sam3.model.model_misc")

HEADS, HIDDEN, QUERIES = 2, 64, 10
ATTENTION: dict[str, Any] = {"num_heads": HEADS, "dropout": 0.0, "embed_dim": WIDTH}


def position(width: int = WIDTH) -> Any:
    """Meta's sine position encoding, without the table that it would make on a GPU."""
    return build.PositionEmbeddingSine(num_pos_feats=width, normalize=True, scale=None, temperature=10000)


def vision_neck() -> Any:
    """The vision transformer below the necks of detector and click tracker."""
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
    return build.Sam3DualViTDetNeck(
        position_encoding=position(),
        d_model=WIDTH,
        scale_factors=[4.0, 2.0, 1.0, 0.5],
        trunk=trunk,
        add_sam2_neck=True,
    )


def text_encoder() -> Any:
    """The encoder of phrases, with CLIP's vocabulary from open_clip: Meta's wheel leaves the file out."""
    vocabulary = files("open_clip") / "bpe_simple_vocab_16e6.txt.gz"
    return build.VETextEncoder(
        tokenizer=build.SimpleTokenizer(bpe_path=str(vocabulary)),
        d_model=WIDTH,
        width=32,
        heads=HEADS,
        layers=1,
    )


def attention_layer(*, keys: bool, at: bool, batch_first: bool) -> Any:
    """A layer of the encoders; `keys` and `at` say where the position encoding is added."""
    return build.TransformerEncoderLayer(
        activation="relu",
        d_model=WIDTH,
        dim_feedforward=HIDDEN,
        dropout=0.0,
        pos_enc_at_attn=at,
        pos_enc_at_cross_attn_keys=keys,
        pos_enc_at_cross_attn_queries=False,
        pre_norm=True,
        self_attention=build.MultiheadAttention(batch_first=batch_first, **ATTENTION),
        cross_attention=build.MultiheadAttention(batch_first=batch_first, **ATTENTION),
    )


def fusion_encoder() -> Any:
    """The encoder that fuses image and prompt."""
    return build.TransformerEncoderFusion(
        layer=attention_layer(keys=False, at=True, batch_first=True),
        num_layers=1,
        d_model=WIDTH,
        num_feature_levels=1,
        frozen=False,
        use_act_checkpoint=False,
        add_pooled_text_to_img_feat=False,
        pool_text_with_mask=True,
    )


def query_decoder() -> Any:
    """The decoder of object queries."""
    return build.TransformerDecoder(
        layer=build.TransformerDecoderLayer(
            activation="relu",
            d_model=WIDTH,
            dim_feedforward=HIDDEN,
            dropout=0.0,
            cross_attention=build.MultiheadAttention(**ATTENTION),
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


def geometry_encoder() -> Any:
    """The encoder of exemplar boxes."""
    return geometry_encoders.SequenceGeometryEncoder(
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
        layer=attention_layer(keys=True, at=False, batch_first=False),
        use_act_ckpt=False,
        add_cls=True,
        add_post_encode_proj=True,
    )


def segmentation_head() -> Any:
    """The head that draws masks."""
    pixels = build.PixelDecoder(num_upsampling_stages=2, interpolation_mode="nearest", hidden_dim=WIDTH)
    return build.UniversalSegmentationHead(
        hidden_dim=WIDTH,
        upsampling_stages=2,
        aux_masks=False,
        presence_head=False,
        dot_product_scorer=None,
        act_ckpt=False,
        cross_attend_prompt=build.MultiheadAttention(**ATTENTION),
        pixel_decoder=pixels,
    )


def prompt_scoring() -> Any:
    """The score of each query against the prompt."""
    return misc.DotProductScoring(
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


def detector_parts() -> dict[str, Any]:
    """What Meta's builder makes a detector of, at tiny size."""
    neck, words = vision_neck(), text_encoder()
    encoder, decoder = fusion_encoder(), query_decoder()
    geometry, head, scoring = geometry_encoder(), segmentation_head(), prompt_scoring()
    return {
        "backbone": build.SAM3VLBackbone(visual=neck, text=words, scalp=1),
        "transformer": build.TransformerWrapper(encoder=encoder, decoder=decoder, d_model=WIDTH),
        "input_geometry_encoder": geometry,
        "segmentation_head": head,
        "num_feature_levels": 1,
        "dot_prod_scoring": scoring,
    }
