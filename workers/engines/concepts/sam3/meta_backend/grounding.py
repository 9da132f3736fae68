"""Phrases, exemplars and visual prompts on one image by Meta's code; filtering and upsampling are ours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.sam3.meta_backend.loading import MetaModels
from workers.engines.concepts.sam3.passes import compute_in_passes
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


@dataclass(frozen=True, slots=True, eq=False)
class MetaImage:
    """An image (H, W, 3) u8 and its key."""

    image: Rgb
    key: str


class MetaGrounding:
    """The image model of Meta's package, with a cache of embedded images."""

    def __init__(self, models: MetaModels) -> None:
        self._models = models
        self._images: ByteLimitedCache[MetaEmbedding] = ByteLimitedCache(models.settings.cache_bytes)

    def embed(self, items: Sequence[MetaImage]) -> list[MetaEmbedding]:
        """The embedded images, those that are not in the cache in one forward."""
        known = {item.key: each for item in items if (each := self._images.get(item.key)) is not None}
        missing = list({item.key: item for item in items if item.key not in known}.values())
        if missing:
            with self._inference():
                images = [Image.fromarray(each.image) for each in missing]
                state = self._models.processor.set_image_batch(images)
            for row, item in enumerate(missing):
                known[item.key] = _take_row(state["backbone_out"], row, len(missing), item.image)
                self._images.put(item.key, known[item.key])
        return [known[item.key] for item in items]

    def count_tokens(self, phrase: str) -> int:
        """How many tokens Meta's tokenizer makes of a phrase, without the two special ones."""
        return len(self._models.image.backbone.language_backbone.tokenizer.encode(phrase))

    def ground(self, pairs: Sequence[tuple[MetaEmbedding, str]]) -> list[RawDetections]:
        """The detector's outputs for pairs of image and phrase, in order, as Meta's own batches compute them.

        An image's features and a phrase's are each there once in a pass, whatever the number of their pairs.
        """
        return compute_in_passes(pairs, self._models.settings.phrase_chunk, self._ground)

    def _ground(self, pairs: Sequence[tuple[MetaEmbedding, str]]) -> list[RawDetections]:
        images = list({id(image): image for image, _ in pairs}.values())
        phrases = list(dict.fromkeys(phrase for _, phrase in pairs))
        rows = {id(image): row for row, image in enumerate(images)}
        prompt = self._models.image._get_dummy_prompt(num_prompts=len(pairs))
        image_rows = [rows[id(image)] for image, _ in pairs]
        return self._detect(images, phrases, image_rows, [phrases.index(text) for _, text in pairs], prompt)

    def ground_exemplars(
        self, image: MetaEmbedding, phrase: str | None, boxes: Sequence[Box], labels: Sequence[int]
    ) -> RawDetections:
        """The detector's outputs for exemplar boxes (labels 1 and 0), which a phrase may narrow."""
        device, prompt = self._models.device, self._models.image._get_dummy_prompt()
        for box, label in zip(to_center_boxes(list(boxes), image.size), labels, strict=True):
            prompt.append_boxes(
                torch.from_numpy(box).to(device).view(1, 1, 4),
                torch.tensor([[bool(label)]], device=device),
            )
        return self._detect([image], [VISUAL_PHRASE if phrase is None else phrase], [0], [0], prompt)[0]

    def _detect(
        self,
        images: Sequence[MetaEmbedding],
        phrases: list[str],
        image_rows: list[int],
        phrase_rows: list[int],
        prompt: Any,
    ) -> list[RawDetections]:
        """One forward of the detector; the rows say of each pair which image and phrase it has."""
        models = self._models
        with self._inference():
            words = models.image.backbone.forward_text(phrases, device=models.device)
            stage = replace(
                models.processor.find_stage,
                img_ids=torch.tensor(image_rows, device=models.device),
                text_ids=torch.tensor(phrase_rows, device=models.device),
            )
            out = models.image.forward_grounding(
                backbone_out={**_join_features(images), **words},
                find_input=stage,
                find_target=None,
                geometric_prompt=prompt,
            )
            scores = compute_scores(out["pred_logits"][..., 0], out["presence_logit_dec"])
        rows = zip(scores, out["pred_masks"], out["semantic_seg"][:, 0], strict=True)
        return [RawDetections(*row) for row in rows]

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


def _join_features(images: Sequence[MetaEmbedding]) -> dict[str, Any]:
    """What the detector reads of the images, stacked; of one image nothing is copied."""
    states = [image.state["backbone_out"] for image in images]
    if len(states) == 1:
        return dict(states[0])
    return {
        name: [torch.cat(maps) for maps in zip(*(state[name] for state in states), strict=True)]
        for name in ("backbone_fpn", "vision_pos_enc")
    }


def _take_row(features: dict[str, Any], row: int, count: int, image: Rgb) -> MetaEmbedding:
    """One image's part of the features of `count` images, in a state as Meta's processor makes of one."""
    height, width = image.shape[:2]

    def take(each: Any) -> Any:
        # a slice would keep the whole batch in memory for as long as one image is cached
        return each if count == 1 else each[row : row + 1].clone()

    own = _map_tensors(features, take)
    state = {"original_height": height, "original_width": width, "backbone_out": own}
    return MetaEmbedding((height, width), state)


def _map_tensors(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nested dictionaries and lists with every tensor changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _map_tensors(each, change) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_map_tensors(each, change) for each in value]
    return value


def _walk_tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _walk_tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _walk_tensors(each)
