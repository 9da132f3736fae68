"""Phrases, exemplars and clicks on one image by Meta's own code; filtering and upsampling are ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.sam3.clicks import LOW_QUALITY, prior_logits
from workers.engines.concepts.sam3.image import VISUAL, Raw
from workers.engines.concepts.sam3.meta_loading import MetaLoaded
from workers.engines.concepts.sam3.postprocess import scores_of, stabilities
from workers.engines.concepts.sam3.preprocess import centre_boxes
from workers.engines.concepts.visual_prompts import build_instance, parse_prompt
from workers.engines.protocols import Box, Rgb, SegmentedInstance, VisualPrompt


@dataclass(slots=True)
class MetaImage:
    """An image that Meta's processor has embedded: its own state dictionary."""

    size: tuple[int, int]
    state: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """The bytes of all tensors in the state, shared ones once."""
        storages: dict[int, int] = {}
        for tensor in _tensors(self.state):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return sum(storages.values())


class MetaGrounding:
    """The image model of Meta's package, with a cache of embedded images."""

    def __init__(self, loaded: MetaLoaded) -> None:
        self._loaded = loaded
        self._images: ByteLimitedCache[MetaImage] = ByteLimitedCache(loaded.settings.cache_bytes)

    def embed(self, image: Rgb, key: str) -> MetaImage:
        """The embedded image (H, W, 3) u8; the key's own when it is still kept."""
        found = self._images.get(key)
        if found is None:
            with self._inference():
                state = self._loaded.processor.set_image(Image.fromarray(image))
            found = MetaImage((image.shape[0], image.shape[1]), state)
            self._images.put(key, found)
        return found

    def length(self, phrase: str) -> int:
        """How many tokens Meta's tokenizer makes of a phrase, without its two marks."""
        return len(self._loaded.image.backbone.language_backbone.tokenizer.encode(phrase))

    def ground(
        self, image: MetaImage, phrase: str | None, boxes: Sequence[Box] = (), labels: Sequence[int] = ()
    ) -> Raw:
        """What the detector says of a phrase, of exemplar boxes (labels 1 and 0), or of both."""
        model, device = self._loaded.image, self._loaded.device
        with self._inference():
            words = model.backbone.forward_text([VISUAL if phrase is None else phrase], device=device)
            prompt = model._get_dummy_prompt()
            for centre, label in zip(centre_boxes(list(boxes), image.size), labels, strict=True):
                prompt.append_boxes(
                    torch.from_numpy(centre).to(device).view(1, 1, 4),
                    torch.tensor([[bool(label)]], device=device),
                )
            out = model.forward_grounding(
                backbone_out={**image.state["backbone_out"], **words},
                find_input=self._loaded.processor.find_stage,
                geometric_prompt=prompt,
                find_target=None,
            )
            scores = scores_of(out["pred_logits"][..., 0], out["presence_logit_dec"])
        return Raw(scores[0], out["pred_masks"][0])

    def click(self, image: MetaImage, click: VisualPrompt, index: int) -> SegmentedInstance:
        """Exactly one instance for a click; raises ValueError for a click that says nothing.

        One point alone is ambiguous: the best of three masks by the model's own score is taken.
        """
        model = self._loaded.image
        parsed = parse_prompt(click, image.size)
        points, labels = parsed.points, parsed.labels
        around = parsed.region_box
        predictor = model.inst_interactive_predictor.model
        side = int(predictor.image_size)
        # the model adds half a pixel of its square, our points have their pixel's centre at +0.5 already
        shift = 0.5 * np.array([image.size[1], image.size[0]]) / side
        prior = None
        if click.mask is not None:
            prior = prior_logits(click.mask, predictor.sam_prompt_encoder.mask_input_size[0])[0].numpy()
        with self._inference():
            masks, qualities, low = model.predict_inst(
                image.state,
                point_coords=points - shift if len(points) else None,
                point_labels=labels if len(points) else None,
                box=None if around is None else np.asarray(around),
                mask_input=prior,
                multimask_output=around is None and len(points) == 1,
            )
        best = int(np.argmax(qualities))
        mask = np.asarray(masks[best]) > 0
        score = float(np.clip(qualities[best], 0, 1))
        [stable] = stabilities(torch.as_tensor(np.asarray(low[best : best + 1])))
        return build_instance(parsed, index, mask, score, stable, low_quality=LOW_QUALITY)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        loaded = self._loaded
        # Meta's ViT computes its MLPs in bfloat16 whatever it is given, and fails outside of autocast
        kind = loaded.device.split(":")[0]
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.bfloat16, enabled=loaded.autocast):
            yield


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
