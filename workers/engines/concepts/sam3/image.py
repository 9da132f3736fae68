"""Phrases and exemplars on one image: the picture is embedded once, a phrase once, both are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import (
    Sam3GeometryEncoderOutput as EncodedBoxes,
)
from transformers.models.sam3.modeling_sam3 import (
    Sam3VisionEncoderOutput,
)

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.sam3.loading import Loaded
from workers.engines.concepts.sam3.postprocess import scores_of
from workers.engines.concepts.sam3.preprocess import centre_boxes, to_pixels
from workers.engines.protocols import Box, Rgb

# what the model was trained to read when there are exemplars but no phrase
VISUAL = "visual"


@dataclass(slots=True)
class Sam3Image:
    """An embedded image: the ViT's tokens (1, T, C) and the three feature maps (1, C, h, w) that are used.

    `clicks` are the features of the click decoder, made from the tokens when the first click comes. Position
    encodings are the same for every image and are not kept here.
    """

    size: tuple[int, int]
    tokens: Any
    levels: tuple[Any, ...]
    clicks: list[Any] | None = None

    @property
    def nbytes(self) -> int:
        """The bytes of the tensors that it holds now."""
        return sum(each.nbytes for each in (self.tokens, *self.levels, *(self.clicks or ())))


@dataclass(frozen=True, slots=True)
class Phrase:
    """An encoded phrase: features (1, 32, C) for the detector, and which tokens are real (1, 32)."""

    features: Any
    attention: Any

    @property
    def nbytes(self) -> int:
        """The bytes of its tensors."""
        return int(self.features.nbytes + self.attention.nbytes)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A box (xyxy pixels) in the image where it lies, with label 1 (like this) or 0 (unlike this)."""

    image: Sam3Image
    box: Box
    label: int


@dataclass(frozen=True, slots=True)
class Raw:
    """What the detector says of one phrase: scores (Q,) f32 and mask logits (Q, h, w)."""

    scores: Any
    masks: Any


class Grounding:
    """The detector side of the model, with its two caches."""

    def __init__(self, loaded: Loaded, *, image_bytes: int, phrase_bytes: int, chunk: int) -> None:
        self._loaded = loaded
        self._detector = loaded.model.detector_model
        self._images: ByteLimitedCache[Sam3Image] = ByteLimitedCache(image_bytes)
        self._phrases: ByteLimitedCache[Phrase] = ByteLimitedCache(phrase_bytes)
        self._chunk = chunk
        self._positions: tuple[Any, ...] | None = None

    def embed(self, image: Rgb, key: str) -> Sam3Image:
        """The embedded image (H, W, 3) u8; the key's own when it is still kept."""
        found = self._images.get(key)
        if found is None:
            pixels = to_pixels(image, self._loaded.side, device=self._loaded.device, dtype=self._loaded.dtype)
            with torch.inference_mode():
                seen = self._detector.get_vision_features(pixel_values=pixels)
            if self._positions is None:
                self._positions = tuple(seen.fpn_position_encoding)
            size = image.shape[0], image.shape[1]
            # the detector and the tracker leave the coarsest level unused
            found = Sam3Image(size, seen.last_hidden_state, tuple(seen.fpn_hidden_states[:-1]))
            self._images.put(key, found)
        return found

    def phrase(self, text: str) -> Phrase:
        """The encoded phrase, kept by its text; raises PhraseRejected."""
        found = self._phrases.get(text)
        if found is None:
            ids, mask = self._loaded.tokenizer.encode(text)
            device = self._loaded.device
            attention = torch.tensor([mask], device=device)
            with torch.inference_mode():
                features = self._detector.get_text_features(
                    input_ids=torch.tensor([ids], device=device), attention_mask=attention, return_dict=True
                ).pooler_output
            found = Phrase(features, attention)
            self._phrases.put(text, found)
        return found

    def ground(self, image: Sam3Image, phrases: Sequence[str]) -> list[Raw]:
        """What the detector says of each phrase, in order; equal phrases are asked once."""
        texts = list(dict.fromkeys(phrases))
        answers: dict[str, Raw] = {}
        for start in range(0, len(texts), self._chunk):
            part = texts[start : start + self._chunk]
            answers.update(zip(part, self._forward(image, [self.phrase(text) for text in part]), strict=True))
        return [answers[text] for text in phrases]

    def exemplars(self, image: Sam3Image, phrase: str | None, exemplars: Sequence[Exemplar]) -> Raw:
        """What the detector says of things like the exemplars labelled 1 and unlike those labelled 0.

        Exemplars of other images are read from those images' features.
        """
        asked = [self.phrase(VISUAL if phrase is None else phrase)]
        if all(one.image is image for one in exemplars):
            return self._forward(image, asked, **self._boxes(image, exemplars))[0]
        features, marks = self._geometry(exemplars)
        encoder = self._detector.geometry_encoder
        # the model has no door for exemplars that are encoded already: they replace what it encodes itself
        hook = encoder.register_forward_hook(lambda *_: EncodedBoxes(features, marks))
        try:
            return self._forward(image, asked, **self._boxes(image, exemplars))[0]
        finally:
            hook.remove()

    def _boxes(self, image: Sam3Image, exemplars: Sequence[Exemplar]) -> dict[str, Any]:
        loaded = self._loaded
        centres = torch.from_numpy(centre_boxes([one.box for one in exemplars], image.size))[None]
        return {
            "input_boxes": centres.to(loaded.device, loaded.dtype),
            "input_boxes_labels": torch.tensor([[one.label for one in exemplars]], device=loaded.device),
        }

    def _geometry(self, exemplars: Sequence[Exemplar]) -> tuple[Any, Any]:
        """Tokens (1, N + 1, C) of exemplars, each from its own image, and which are real; the last is CLS."""
        tokens: list[Any] = []
        marks: list[Any] = []
        images = {id(one.image): one.image for one in exemplars}
        for key, image in images.items():
            mine = [one for one in exemplars if id(one.image) == key]
            given, seen = self._boxes(image, mine), self.vision(image)
            with torch.inference_mode():
                out = self._detector.geometry_encoder(
                    box_embeddings=given["input_boxes"],
                    box_mask=torch.ones_like(given["input_boxes_labels"], dtype=torch.bool),
                    box_labels=given["input_boxes_labels"],
                    img_feats=seen.fpn_hidden_states[:-1],
                    img_pos_embeds=seen.fpn_position_encoding[:-1],
                )
            tokens.append(out.last_hidden_state)
            marks.append(out.attention_mask)
        # the model knows prompts with one CLS token, the last: that of the last image stays
        for parts in (tokens, marks):
            parts[:-1] = [part[:, :-1] for part in parts[:-1]]
        return torch.cat(tokens, dim=1), torch.cat(marks, dim=1)

    def vision(self, image: Sam3Image, count: int = 1) -> Any:
        """The model's own vision output for `count` prompts on one image; nothing is copied."""
        if self._positions is None:
            raise RuntimeError("no image has been embedded yet")
        coarsest = torch.empty(0)
        return Sam3VisionEncoderOutput(
            last_hidden_state=image.tokens,
            fpn_hidden_states=(*(level.expand(count, -1, -1, -1) for level in image.levels), coarsest),
            fpn_position_encoding=(
                *(level.expand(count, -1, -1, -1) for level in self._positions[:-1]),
                coarsest,
            ),
        )

    def _forward(self, image: Sam3Image, phrases: list[Phrase], **extra: Any) -> list[Raw]:
        with torch.inference_mode():
            out = self._detector(
                vision_embeds=self.vision(image, len(phrases)),
                text_embeds=BaseModelOutputWithPooling(
                    pooler_output=torch.cat([phrase.features for phrase in phrases])
                ),
                attention_mask=torch.cat([phrase.attention for phrase in phrases]),
                **extra,
            )
            scores = scores_of(out.pred_logits, out.presence_logits)
        return [Raw(*pair) for pair in zip(scores, out.pred_masks, strict=True)]
