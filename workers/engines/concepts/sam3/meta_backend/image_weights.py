"""The weights of Meta's image model, out of the checkpoint of SAM 3 or of SAM 3.1.

`sam3.1_multiplex.pt` is a video model: its detector is that of images but for the neck. Clicks have a neck
and a decoder of their own beside those that propagate objects (facebookresearch/sam3, `model/necks.py`,
`model/video_tracking_multiplex.py`).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workers.engines.weights import WeightsCorrupt

CLICKS = "inst_interactive_predictor.model."
NECK = "backbone.vision_backbone."


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightLayout:
    """How a checkpoint names the image model's parts.

    `prefixes` are those of the checkpoint and the model's, the first that fits counts; `unused` matches the
    model's tensors that the file need not have, because nothing on an image reads them.
    """

    prefixes: tuple[tuple[str, str], ...]
    unused: re.Pattern[str]

    def rename(self, key: str) -> str | None:
        """The model's name of a checkpoint's tensor; None for one of other parts."""
        for theirs, ours in self.prefixes:
            if key.startswith(theirs):
                return ours + key.removeprefix(theirs)
        return None


SAM3 = WeightLayout(
    prefixes=(("detector.", ""), ("tracker.", CLICKS)),
    # the click predictor reads the features of the detector's ViT and has none of its own
    unused=re.compile(rf"{re.escape(CLICKS)}backbone\."),
)
SAM31 = WeightLayout(
    prefixes=(
        (f"detector.{NECK}interactive_convs.", f"{NECK}sam2_convs."),
        ("detector.", ""),
        ("tracker.model.interactive_sam_prompt_encoder.", f"{CLICKS}sam_prompt_encoder."),
        ("tracker.model.interactive_sam_mask_decoder.", f"{CLICKS}sam_mask_decoder."),
        ("tracker.model.interactivity_no_mem_embed", f"{CLICKS}no_mem_embed"),
    ),
    # the coarsest level of both necks is dropped after it is computed (`scalp`), and memory is for videos
    unused=re.compile(
        rf"{re.escape(NECK)}(convs|sam2_convs)\.3\.|"
        rf"{re.escape(CLICKS)}(?!sam_prompt_encoder\.|sam_mask_decoder\.|no_mem_embed$)"
    ),
)


def load_image_weights(model: Any, path: Path, layout: WeightLayout = SAM3) -> None:
    """Load a checkpoint into the image model; raises WeightsCorrupt when a tensor that it reads is not in it.

    Meta's own loader goes on with random numbers there.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    checkpoint = checkpoint.get("model", checkpoint)
    renamed = ((layout.rename(key), value) for key, value in checkpoint.items())
    state = {key: value for key, value in renamed if key is not None}
    missing = model.load_state_dict(state, strict=False).missing_keys
    lost = sorted(key for key in missing if not layout.unused.match(key))
    if lost:
        raise WeightsCorrupt(f"{path} lacks {len(lost)} tensors of SAM 3, the first is {lost[0]}")
    if layout is SAM31:
        # SAM 3.1 predicts a mask's IoU itself, where SAM 3 predicts its logit
        model.inst_interactive_predictor.model.sam_mask_decoder.iou_prediction_head.sigmoid_output = False
