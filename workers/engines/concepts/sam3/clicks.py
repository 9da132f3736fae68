"""Boxes, points and masks on one image: the click decoder, from the modules of the video model."""

from typing import Any

import torch

from workers.engines.concepts.sam3.image import Sam3Image
from workers.engines.concepts.sam3.kernels import tidy_logits
from workers.engines.concepts.sam3.loading import Loaded, click_model
from workers.engines.concepts.sam3.postprocess import stabilities
from workers.engines.concepts.sam3.preprocess import click_points, square_mask
from workers.engines.concepts.sam3.upsample import upsample
from workers.engines.concepts.visual_prompts import build_instance, parse_prompt
from workers.engines.protocols import Mask, SegmentedInstance, VisualPrompt

LOW_QUALITY = 0.55
# a prior mask as logits, as transformers reads a mask that is given: almost 0 and almost 1
_SCALE, _BIAS = 20.0, -10.0


class Clicks:
    """Answers clicks on embedded images; the ViT's tokens are shared with the phrases."""

    def __init__(self, loaded: Loaded, *, fill_area: int) -> None:
        self._loaded = loaded
        self._model = click_model(loaded.model)
        self._fill_area = fill_area

    def features(self, image: Sam3Image, vision: Any) -> list[Any]:
        """The decoder's three maps (1, C, h, w), made once an image; `vision` is its vision output."""
        if image.clicks is None:
            with torch.inference_mode():
                maps, _ = self._loaded.model.get_vision_features_for_tracker(vision)
                maps[-1] = maps[-1] + self._model.no_memory_embedding
                image.clicks = [
                    flat.permute(1, 2, 0).reshape(1, -1, *shape)
                    for flat, shape in zip(maps, self._model.backbone_feature_sizes, strict=True)
                ]
        return image.clicks

    def segment(self, image: Sam3Image, vision: Any, click: VisualPrompt, index: int) -> SegmentedInstance:
        """Exactly one instance for a click; raises ValueError for a click that says nothing.

        One point alone is ambiguous: the best of three masks by the model's own score is taken.
        """
        parsed = parse_prompt(click, image.size)
        box, points = parsed.region_box, parsed.points
        size = self._model.prompt_encoder.mask_input_size
        coordinates, marks = click_points(box, points, parsed.labels, image.size, self._loaded.side)
        prior = None
        if click.mask is not None:
            prior = prior_logits(click.mask, size[0]).to(self._loaded.device, self._loaded.dtype)
        with torch.inference_mode():
            out = self._model(
                image_embeddings=self.features(image, vision),
                input_points=coordinates.to(self._loaded.device),
                input_labels=marks.to(self._loaded.device),
                input_masks=prior,
                multimask_output=box is None and len(points) == 1,
            )
            best = int(out.iou_scores[0, 0].argmax())
            logits = tidy_logits(out.pred_masks[0, 0, best : best + 1].float(), self._fill_area)
            mask = next(upsample(logits, image.size, 1, soft=False))
            score = float(out.iou_scores[0, 0, best].clamp(0, 1))
        [stable] = stabilities(logits)
        return build_instance(parsed, index, mask, score, stable, low_quality=LOW_QUALITY)


def prior_logits(mask: Mask, side: int) -> Any:
    """A mask (H, W) as the prior logits (1, 1, side, side) f32 that the model reads."""
    return square_mask(mask, side) * _SCALE + _BIAS
