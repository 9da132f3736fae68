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
from workers.engines.concepts.sam3.passes import compute_in_passes
from workers.engines.concepts.sam3.postprocess import RawDetections, compute_scores
from workers.engines.concepts.sam3.preprocess import normalise, resize, to_center_boxes
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


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """An image (H, W, 3) u8, its key, and its planes (1, 3, S, S) u8 unless its embedding was cached."""

    image: Rgb
    key: str
    planes: Any


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


def build_box_inputs(
    loaded: LoadedModel, size: tuple[int, int], boxes: Sequence[Box], labels: Sequence[int]
) -> dict[str, Any]:
    """The detector's inputs for exemplar boxes (xyxy pixels) in one image of (height, width)."""
    centers = torch.from_numpy(to_center_boxes(list(boxes), size))
    return {
        "input_boxes": centers[None].to(loaded.device, loaded.dtype),
        "input_boxes_labels": torch.tensor([list(labels)], device=loaded.device),
    }


class Grounding:
    """The detector of the model, with its caches of images and phrases."""

    def __init__(self, loaded: LoadedModel, settings: Sam3Settings) -> None:
        self._loaded = loaded
        self._detector = loaded.model.detector_model
        self._images: ByteLimitedCache[Sam3Embedding] = ByteLimitedCache(settings.cache_bytes)
        self._phrases: ByteLimitedCache[EncodedPhrase] = ByteLimitedCache(settings.phrase_cache_bytes)
        self._chunk = settings.phrase_chunk
        self._positions: tuple[Any, ...] | None = None

    def prepare(self, image: Rgb, key: str) -> PreparedImage:
        """The image (H, W, 3) u8 resized on the CPU, unless its embedding is in the cache; on any thread."""
        cached = self._images.get(key) is not None
        return PreparedImage(image, key, None if cached else resize(image, self._loaded.side))

    def embed(self, items: Sequence[PreparedImage]) -> list[Sam3Embedding]:
        """The embedded images, those that are not in the cache in one forward."""
        known = {item.key: self._images.get(item.key) for item in items}
        missing = list({item.key: item for item in items if known[item.key] is None}.values())
        if missing:
            known.update(zip((item.key for item in missing), self._embed(missing), strict=True))
        return [embedding for item in items if (embedding := known[item.key]) is not None]

    def _embed(self, items: Sequence[PreparedImage]) -> list[Sam3Embedding]:
        loaded = self._loaded
        planes = [resize(item.image, loaded.side) if item.planes is None else item.planes for item in items]
        pixels = normalise(torch.cat(planes), device=loaded.device, dtype=loaded.dtype)
        with torch.inference_mode():
            vision = self._detector.get_vision_features(pixel_values=pixels)
            if self._positions is None:
                self._positions = tuple(maps[:1] for maps in vision.fpn_position_encoding)
            # the detector and the tracker leave the coarsest map unused
            tensors = (vision.last_hidden_state, *vision.fpn_hidden_states[:-1])
            # a slice would keep the whole batch in memory for as long as one image is cached
            rows = [
                tensors if len(items) == 1 else [each[row : row + 1].clone() for each in tensors]
                for row in range(len(items))
            ]
        embeddings = []
        for item, (tokens, *maps) in zip(items, rows, strict=True):
            size = item.image.shape[0], item.image.shape[1]
            embeddings.append(Sam3Embedding(size, tokens, tuple(maps)))
            self._images.put(item.key, embeddings[-1])
        return embeddings

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

    def ground(self, queries: Sequence[tuple[Sam3Embedding, str]]) -> list[RawDetections]:
        """The detector's outputs for phrases, each on its image, in order; equal queries run once."""
        keys = [(id(image), text) for image, text in queries]
        unique = dict(zip(keys, queries, strict=True))

        def compute(chunk: Sequence[tuple[Sam3Embedding, str]]) -> list[RawDetections]:
            return self._forward(
                [image for image, _ in chunk], [self.encode_phrase(text) for _, text in chunk]
            )

        outputs = compute_in_passes(list(unique.values()), self._chunk, compute)
        detections = dict(zip(unique, outputs, strict=True))
        return [detections[key] for key in keys]

    def ground_exemplars(
        self, image: Sam3Embedding, phrase: str | None, exemplars: Sequence[ExemplarBox]
    ) -> RawDetections:
        """The detector's outputs for objects like the exemplars labelled 1 and unlike those labelled 0.

        Exemplars of other images are read from those images' features.
        """
        encoded = [self.encode_phrase(VISUAL_PHRASE if phrase is None else phrase)]
        boxes = self._box_inputs(image, exemplars)
        if all(exemplar.image is image for exemplar in exemplars):
            return self._forward([image], encoded, **boxes)[0]
        tokens, mask = self._encode_exemplars(exemplars)
        # the model takes no exemplars that are encoded already: they replace what it encodes itself
        hook = self._detector.geometry_encoder.register_forward_hook(
            lambda *_: Sam3GeometryEncoderOutput(tokens, mask)
        )
        try:
            return self._forward([image], encoded, **boxes)[0]
        finally:
            hook.remove()

    def _box_inputs(self, image: Sam3Embedding, exemplars: Sequence[ExemplarBox]) -> dict[str, Any]:
        boxes, labels = [each.box for each in exemplars], [each.label for each in exemplars]
        return build_box_inputs(self._loaded, image.size, boxes, labels)

    def _encode_exemplars(self, exemplars: Sequence[ExemplarBox]) -> tuple[Any, Any]:
        """Tokens (1, N + 1, C) of exemplars, each from its own image, and which are real; the last is CLS."""
        tokens: list[Any] = []
        masks: list[Any] = []
        images = {id(exemplar.image): exemplar.image for exemplar in exemplars}
        for key, image in images.items():
            own = [exemplar for exemplar in exemplars if id(exemplar.image) == key]
            boxes, vision = self._box_inputs(image, own), self.vision_output([image])
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

    def vision_output(self, images: Sequence[Sam3Embedding]) -> Any:
        """The model's own vision output for prompts, each on its image; of one image nothing is copied."""
        if self._positions is None:
            raise RuntimeError("no image has been embedded yet")
        coarsest, first, count = torch.empty(0), images[0], len(images)
        if all(image is first for image in images):
            feature_maps = tuple(maps.expand(count, -1, -1, -1) for maps in first.feature_maps)
        else:
            feature_maps = tuple(map(torch.cat, zip(*(image.feature_maps for image in images), strict=True)))
        return Sam3VisionEncoderOutput(
            # read by nobody when features are given
            last_hidden_state=first.tokens,
            fpn_hidden_states=(*feature_maps, coarsest),
            fpn_position_encoding=(
                *(maps.expand(count, -1, -1, -1) for maps in self._positions[:-1]),
                coarsest,
            ),
        )

    def _forward(
        self, images: Sequence[Sam3Embedding], phrases: list[EncodedPhrase], **boxes: Any
    ) -> list[RawDetections]:
        with torch.inference_mode():
            out = self._detector(
                vision_embeds=self.vision_output(images),
                text_embeds=BaseModelOutputWithPooling(
                    pooler_output=torch.cat([phrase.features for phrase in phrases])
                ),
                attention_mask=torch.cat([phrase.attention for phrase in phrases]),
                **boxes,
            )
            scores = compute_scores(out.pred_logits, out.presence_logits)
        rows = zip(scores, out.pred_masks, out.semantic_seg[:, 0], strict=True)
        return [RawDetections(*row) for row in rows]
