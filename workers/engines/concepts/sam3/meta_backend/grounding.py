"""Phrases, exemplars and visual prompts on one image by Meta's code; filtering and upsampling are ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.postprocess import (
    LOW_QUALITY,
    RawDetections,
    compute_scores,
    measure_stabilities,
)
from workers.engines.concepts.sam3.preprocess import to_center_boxes, to_prior_logits
from workers.engines.concepts.sam3.tokenizer import VISUAL_PHRASE
from workers.engines.concepts.visual_prompts import build_instance, parse_prompt
from workers.engines.protocols import Box, Rgb, SegmentedInstance, VisualPrompt


@dataclass(slots=True)
class MetaEmbedding:
    """An image that Meta's processor has embedded: its own state dictionary."""

    size: tuple[int, int]
    state: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """The bytes of all tensors in the state, shared ones once."""
        storages: dict[int, int] = {}
        for tensor in _walk_tensors(self.state):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return sum(storages.values())


class MetaGrounding:
    """The image model of Meta's package, with a cache of embedded images."""

    def __init__(self, models: MetaModels) -> None:
        self._models = models
        self._images: ByteLimitedCache[MetaEmbedding] = ByteLimitedCache(models.settings.cache_bytes)

    def embed(self, image: Rgb, key: str) -> MetaEmbedding:
        """The embedded image (H, W, 3) u8, from the cache where the key is still kept."""
        embedding = self._images.get(key)
        if embedding is None:
            with self._inference():
                state = self._models.processor.set_image(Image.fromarray(image))
            embedding = MetaEmbedding((image.shape[0], image.shape[1]), state)
            self._images.put(key, embedding)
        return embedding

    def count_tokens(self, phrase: str) -> int:
        """How many tokens Meta's tokenizer makes of a phrase, without the two special ones."""
        return len(self._models.image.backbone.language_backbone.tokenizer.encode(phrase))

    def ground(
        self,
        image: MetaEmbedding,
        phrase: str | None,
        boxes: Sequence[Box] = (),
        labels: Sequence[int] = (),
    ) -> RawDetections:
        """The detector's outputs for a phrase, for exemplar boxes (labels 1 and 0), or for both."""
        model, device = self._models.image, self._models.device
        with self._inference():
            text = [VISUAL_PHRASE if phrase is None else phrase]
            words = model.backbone.forward_text(text, device=device)
            prompt = model._get_dummy_prompt()
            for box, label in zip(to_center_boxes(list(boxes), image.size), labels, strict=True):
                prompt.append_boxes(
                    torch.from_numpy(box).to(device).view(1, 1, 4),
                    torch.tensor([[bool(label)]], device=device),
                )
            out = model.forward_grounding(
                backbone_out={**image.state["backbone_out"], **words},
                find_input=self._models.processor.find_stage,
                geometric_prompt=prompt,
                find_target=None,
            )
            scores = compute_scores(out["pred_logits"][..., 0], out["presence_logit_dec"])
        return RawDetections(scores[0], out["pred_masks"][0], out["semantic_seg"][0, 0])

    def segment(self, image: MetaEmbedding, prompt: VisualPrompt, index: int) -> SegmentedInstance:
        """Exactly one instance for prompt `index`; raises ValueError for a prompt that cannot be answered.

        One point alone is ambiguous: the best of three masks by the model's own score is taken.
        """
        model, parsed = self._models.image, parse_prompt(prompt, image.size)
        box, points = parsed.region_box, parsed.points
        predictor = model.inst_interactive_predictor.model
        # the model adds half a pixel of its square, our points already have their pixel's centre at +0.5
        shift = 0.5 * np.array([image.size[1], image.size[0]]) / int(predictor.image_size)
        prior = None
        if parsed.mask is not None:
            side = predictor.sam_prompt_encoder.mask_input_size[0]
            prior = to_prior_logits(parsed.mask, side)[0].numpy()
        with self._inference():
            masks, qualities, logits = model.predict_inst(
                image.state,
                point_coords=points - shift if len(points) else None,
                point_labels=parsed.labels if len(points) else None,
                box=None if box is None else np.asarray(box),
                mask_input=prior,
                multimask_output=box is None and len(points) == 1,
            )
        best = int(np.argmax(qualities))
        mask = np.asarray(masks[best]) > 0
        score = float(np.clip(qualities[best], 0, 1))
        [stability] = measure_stabilities(torch.as_tensor(np.asarray(logits[best : best + 1])))
        return build_instance(parsed, index, mask, score, stability, low_quality=LOW_QUALITY)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        models = self._models
        # Meta's ViT computes its MLPs in bfloat16 whatever it is given, and fails outside of autocast
        kind = models.device.split(":")[0]
        autocast = torch.autocast(kind, dtype=torch.bfloat16, enabled=models.autocast)
        with models.on_device(), torch.inference_mode(), autocast:
            yield


def _walk_tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _walk_tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _walk_tensors(each)
