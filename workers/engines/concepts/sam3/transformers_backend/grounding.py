"""Phrases and exemplars on one image: an image and a phrase are each encoded once and cached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import (
    Sam3GeometryEncoderOutput,
    Sam3VisionEncoderOutput,
)

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.sam3.postprocess import RawDetections, compute_scores
from workers.engines.concepts.sam3.preprocess import to_center_boxes, to_pixels
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.tokenizer import VISUAL_PHRASE
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel
from workers.engines.protocols import Box, Rgb


@dataclass(slots=True)
class Sam3Embedding:
    """An embedded image: the ViT's tokens (1, T, C) and the three feature maps (1, C, h, w) that are used.

    `decoder_maps` are the features of the mask decoder for visual prompts, computed from the tokens on the
    first prompt. Position encodings are the same for every image and are not kept here.
    """

    size: tuple[int, int]
    tokens: Any
    feature_maps: tuple[Any, ...]
    decoder_maps: list[Any] | None = None

    @property
    def nbytes(self) -> int:
        """The bytes of the tensors that it holds now."""
        tensors = (self.tokens, *self.feature_maps, *(self.decoder_maps or ()))
        return sum(tensor.nbytes for tensor in tensors)


@dataclass(frozen=True, slots=True)
class EncodedPhrase:
    """An encoded phrase: features (1, 32, C) for the detector, and which tokens are real (1, 32)."""

    features: Any
    attention: Any

    @property
    def nbytes(self) -> int:
        """The bytes of its tensors."""
        return int(self.features.nbytes + self.attention.nbytes)


@dataclass(frozen=True, slots=True)
class ExemplarBox:
    """A box (xyxy pixels) in the image where it lies, with label 1 (like this) or 0 (unlike this)."""

    image: Sam3Embedding
    box: Box
    label: int


class Grounding:
    """The detector of the model, with its caches of images and phrases."""

    def __init__(self, loaded: LoadedModel, settings: Sam3Settings) -> None:
        self._loaded = loaded
        self._detector = loaded.model.detector_model
        self._images: ByteLimitedCache[Sam3Embedding] = ByteLimitedCache(settings.cache_bytes)
        self._phrases: ByteLimitedCache[EncodedPhrase] = ByteLimitedCache(settings.phrase_cache_bytes)
        self._chunk = settings.phrase_chunk
        self._positions: tuple[Any, ...] | None = None

    def embed(self, image: Rgb, key: str) -> Sam3Embedding:
        """The embedded image (H, W, 3) u8, from the cache where the key is still kept."""
        embedding = self._images.get(key)
        if embedding is None:
            pixels = to_pixels(image, self._loaded.side, device=self._loaded.device, dtype=self._loaded.dtype)
            with torch.inference_mode():
                vision = self._detector.get_vision_features(pixel_values=pixels)
            if self._positions is None:
                self._positions = tuple(vision.fpn_position_encoding)
            size = image.shape[0], image.shape[1]
            # the detector and the tracker leave the coarsest map unused
            feature_maps = tuple(vision.fpn_hidden_states[:-1])
            embedding = Sam3Embedding(size, vision.last_hidden_state, feature_maps)
            self._images.put(key, embedding)
        return embedding

    def encode_phrase(self, text: str) -> EncodedPhrase:
        """The encoded phrase, cached by its text; raises PhraseRejected."""
        phrase = self._phrases.get(text)
        if phrase is None:
            ids, mask = self._loaded.tokenizer.encode(text)
            device = self._loaded.device
            attention = torch.tensor([mask], device=device)
            with torch.inference_mode():
                features = self._detector.get_text_features(
                    input_ids=torch.tensor([ids], device=device), attention_mask=attention, return_dict=True
                ).pooler_output
            phrase = EncodedPhrase(features, attention)
            self._phrases.put(text, phrase)
        return phrase

    def ground(self, image: Sam3Embedding, phrases: Sequence[str]) -> list[RawDetections]:
        """The detector's outputs for each phrase, in order; equal phrases run once."""
        texts = list(dict.fromkeys(phrases))
        detections: dict[str, RawDetections] = {}
        start, size = 0, self._chunk
        while start < len(texts):
            chunk = texts[start : start + size]
            try:
                outputs = self._forward(image, [self.encode_phrase(text) for text in chunk])
            except torch.OutOfMemoryError:
                # fewer phrases at a time, down to one
                if len(chunk) == 1:
                    raise
                size = max(1, len(chunk) // 2)
                torch.cuda.empty_cache()
                continue
            detections.update(zip(chunk, outputs, strict=True))
            start += len(chunk)
        return [detections[text] for text in phrases]

    def ground_exemplars(
        self, image: Sam3Embedding, phrase: str | None, exemplars: Sequence[ExemplarBox]
    ) -> RawDetections:
        """The detector's outputs for objects like the exemplars labelled 1 and unlike those labelled 0.

        Exemplars of other images are read from those images' features.
        """
        encoded = [self.encode_phrase(VISUAL_PHRASE if phrase is None else phrase)]
        boxes = self._box_inputs(image, exemplars)
        if all(exemplar.image is image for exemplar in exemplars):
            return self._forward(image, encoded, **boxes)[0]
        tokens, mask = self._encode_exemplars(exemplars)
        # the model takes no exemplars that are encoded already: they replace what it encodes itself
        hook = self._detector.geometry_encoder.register_forward_hook(
            lambda *_: Sam3GeometryEncoderOutput(tokens, mask)
        )
        try:
            return self._forward(image, encoded, **boxes)[0]
        finally:
            hook.remove()

    def _box_inputs(self, image: Sam3Embedding, exemplars: Sequence[ExemplarBox]) -> dict[str, Any]:
        loaded = self._loaded
        boxes = torch.from_numpy(to_center_boxes([exemplar.box for exemplar in exemplars], image.size))
        labels = [[exemplar.label for exemplar in exemplars]]
        return {
            "input_boxes": boxes[None].to(loaded.device, loaded.dtype),
            "input_boxes_labels": torch.tensor(labels, device=loaded.device),
        }

    def _encode_exemplars(self, exemplars: Sequence[ExemplarBox]) -> tuple[Any, Any]:
        """Tokens (1, N + 1, C) of exemplars, each from its own image, and which are real; the last is CLS."""
        tokens: list[Any] = []
        masks: list[Any] = []
        images = {id(exemplar.image): exemplar.image for exemplar in exemplars}
        for key, image in images.items():
            own = [exemplar for exemplar in exemplars if id(exemplar.image) == key]
            boxes, vision = self._box_inputs(image, own), self.vision_output(image)
            with torch.inference_mode():
                out = self._detector.geometry_encoder(
                    box_embeddings=boxes["input_boxes"],
                    box_mask=torch.ones_like(boxes["input_boxes_labels"], dtype=torch.bool),
                    box_labels=boxes["input_boxes_labels"],
                    img_feats=vision.fpn_hidden_states[:-1],
                    img_pos_embeds=vision.fpn_position_encoding[:-1],
                )
            tokens.append(out.last_hidden_state)
            masks.append(out.attention_mask)
        # the model knows prompts with one CLS token, the last: that of the last image stays
        for parts in (tokens, masks):
            parts[:-1] = [part[:, :-1] for part in parts[:-1]]
        return torch.cat(tokens, dim=1), torch.cat(masks, dim=1)

    def vision_output(self, image: Sam3Embedding, count: int = 1) -> Any:
        """The model's own vision output for `count` prompts on one image; nothing is copied."""
        if self._positions is None:
            raise RuntimeError("no image has been embedded yet")
        coarsest = torch.empty(0)
        return Sam3VisionEncoderOutput(
            last_hidden_state=image.tokens,
            fpn_hidden_states=(*(maps.expand(count, -1, -1, -1) for maps in image.feature_maps), coarsest),
            fpn_position_encoding=(
                *(maps.expand(count, -1, -1, -1) for maps in self._positions[:-1]),
                coarsest,
            ),
        )

    def _forward(
        self, image: Sam3Embedding, phrases: list[EncodedPhrase], **boxes: Any
    ) -> list[RawDetections]:
        with torch.inference_mode():
            out = self._detector(
                vision_embeds=self.vision_output(image, len(phrases)),
                text_embeds=BaseModelOutputWithPooling(
                    pooler_output=torch.cat([phrase.features for phrase in phrases])
                ),
                attention_mask=torch.cat([phrase.attention for phrase in phrases]),
                **boxes,
            )
            scores = compute_scores(out.pred_logits, out.presence_logits)
        return [RawDetections(*pair) for pair in zip(scores, out.pred_masks, strict=True)]
