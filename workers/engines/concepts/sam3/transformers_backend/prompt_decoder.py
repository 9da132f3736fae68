"""Visual prompts on one image: the mask decoder, from the modules of the video model."""

import importlib
from typing import Any

import torch

from workers.engines.concepts.sam3.kernels import remove_small_areas
from workers.engines.concepts.sam3.postprocess import LOW_QUALITY, measure_stabilities
from workers.engines.concepts.sam3.preprocess import to_point_tokens, to_prior_logits
from workers.engines.concepts.sam3.transformers_backend.grounding import Sam3Embedding
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel
from workers.engines.concepts.sam3.upsample import upsample_masks
from workers.engines.concepts.visual_prompts import build_instance, parse_prompt
from workers.engines.protocols import SegmentedInstance, VisualPrompt


class PromptDecoder:
    """Answers visual prompts on embedded images; the ViT's tokens are shared with the phrases."""

    def __init__(self, loaded: LoadedModel, *, fill_area: int) -> None:
        self._loaded = loaded
        self._model = build_image_tracker(loaded.model)
        self._fill_area = fill_area

    def decoder_maps(self, image: Sam3Embedding, vision: Any) -> list[Any]:
        """The decoder's three maps (1, C, h, w), computed once per image; `vision` is its vision output."""
        if image.decoder_maps is None:
            with torch.inference_mode():
                maps, _ = self._loaded.model.get_vision_features_for_tracker(vision)
                maps[-1] = maps[-1] + self._model.no_memory_embedding
                image.decoder_maps = [
                    flat.permute(1, 2, 0).reshape(1, -1, *shape)
                    for flat, shape in zip(maps, self._model.backbone_feature_sizes, strict=True)
                ]
        return image.decoder_maps

    def segment(
        self, image: Sam3Embedding, vision: Any, prompt: VisualPrompt, index: int
    ) -> SegmentedInstance:
        """Exactly one instance for prompt `index`; raises ValueError for a prompt that cannot be answered.

        One point alone is ambiguous: the best of three masks by the model's own score is taken.
        """
        loaded, parsed = self._loaded, parse_prompt(prompt, image.size)
        box, points = parsed.region_box, parsed.points
        coordinates, labels = to_point_tokens(box, points, parsed.labels, image.size, loaded.side)
        prior = None
        if parsed.mask is not None:
            side = self._model.prompt_encoder.mask_input_size[0]
            prior = to_prior_logits(parsed.mask, side).to(loaded.device, loaded.dtype)
        with torch.inference_mode():
            out = self._model(
                image_embeddings=self.decoder_maps(image, vision),
                input_points=coordinates.to(loaded.device),
                input_labels=labels.to(loaded.device),
                input_masks=prior,
                multimask_output=box is None and len(points) == 1,
            )
            best = int(out.iou_scores[0, 0].argmax())
            logits = remove_small_areas(out.pred_masks[0, 0, best : best + 1].float(), self._fill_area)
            mask = next(upsample_masks(logits, image.size, 1, probabilities=False))
            score = float(out.iou_scores[0, 0, best].clamp(0, 1))
        [stability] = measure_stabilities(logits)
        return build_instance(parsed, index, mask, score, stability, low_quality=LOW_QUALITY)


def build_image_tracker(model: Any) -> Any:
    """A `Sam3TrackerModel` made of the video model's own modules; it holds no weight of its own.

    Give it image embeddings: from pixels it adds its "no memory" embedding to the coarsest map of the neck,
    which it then drops, while the video tracker (and Meta's code) adds it to the map that is used.
    """
    tracker_module = importlib.import_module("transformers.models.sam3_tracker")
    video = model.tracker_model
    config = tracker_module.Sam3TrackerConfig(
        vision_config=video.config.vision_config.to_dict(),
        prompt_encoder_config=video.config.prompt_encoder_config.to_dict(),
        mask_decoder_config=video.config.mask_decoder_config.to_dict(),
    )
    with torch.device("meta"):
        shell = tracker_module.Sam3TrackerModel(config)
    shell.shared_image_embedding = video.shared_image_embedding
    shell.prompt_encoder = video.prompt_encoder
    shell.mask_decoder = video.mask_decoder
    shell.no_memory_embedding = video.no_memory_embedding
    shell.vision_encoder.backbone = model.detector_model.vision_encoder.backbone
    shell.vision_encoder.neck = model.tracker_neck
    return shell.eval()
