"""One mask for one prompt or detection: MobileSAM, clean-up, and what happens when nothing is found."""

from collections.abc import Sequence

import numpy as np

from workers.engines.concepts.images.config import MaskDecodingConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.mask_correction import correct_mask
from workers.engines.concepts.images.mask_decoding import (
    Proposal,
    build_prompt,
    decode_ambiguous,
    decode_mean,
    prefer_figure,
    replace_low_quality,
)
from workers.engines.concepts.images.mobilesam import DecoderPrompt, ImageEmbedding, MobileSam
from workers.engines.concepts.images.picodet import Detection
from workers.engines.concepts.images.watershed import watershed
from workers.engines.concepts.masks import clip_mask, remove_specks
from workers.engines.concepts.visual_prompts import (
    ParsedPrompt,
    build_instance,
    draw_box_and_points,
    parse_prompt,
    quality_flags,
)
from workers.engines.protocols import Box, Mask, SegmentedInstance, VisualPrompt
from workers.geometry.boxes import bounding_box


class PromptSegmenter:
    """Answers prompts on embedded images with MobileSAM, or with a watershed where `sam` is None."""

    def __init__(self, sam: MobileSam | None, config: MaskDecodingConfig, *, mirror: bool) -> None:
        """`mirror` also decodes the mirror image."""
        self._sam, self._config, self._mirror = sam, config, mirror

    def segment(self, image: EmbeddedImage, prompt: ParsedPrompt, index: int) -> SegmentedInstance:
        """Exactly one instance for prompt `index`; without MobileSAM it is flagged `fallback_watershed`."""
        flags: tuple[str, ...] = ()
        quality = 0.0
        stability: float | None = None
        if self._sam is None:
            mask = watershed(image.image, prompt.region_box, prompt.points, prompt.labels)
            flags = ("fallback_watershed",)
        else:
            proposal = self._decode(self._sam, image, prompt)
            mask, quality, stability = proposal.mask, proposal.quality, proposal.stability
        if prompt.box is not None:
            mask = clip_mask(mask, prompt.box, self._config.prompt_box_margin)
        mask = remove_specks(mask, prompt.inner_points)
        low = self._config.low_quality
        return build_instance(prompt, index, mask, quality, stability, low_quality=low, flags=flags)

    def segment_detection(
        self, image: EmbeddedImage, detection: Detection, sam: MobileSam
    ) -> SegmentedInstance:
        """The instance in a detection's box, with the detection's label and score; its `prompt` is 0."""
        box, embeddings = detection.box, self._embeddings(image, sam)
        prompt = build_prompt(box)
        proposal = decode_mean(sam, embeddings, prompt, refine=False)
        proposal = self._choose_candidate(sam, embeddings, prompt, box, proposal)
        mask = remove_specks(clip_mask(proposal.mask, box, self._config.detection_box_margin))
        quality = proposal.quality
        stability: float | None = proposal.stability
        if not mask.any():
            mask, quality, stability = draw_box_and_points(image.size, box, np.zeros((0, 2))), 0.0, None
        flags = quality_flags(mask, quality, self._config.low_quality)
        return SegmentedInstance(
            mask, bounding_box(mask), detection.score, 0, detection.label, flags, stability
        )

    def segment_in_video(
        self, image: EmbeddedImage, prompt: VisualPrompt, known: Mask | None
    ) -> SegmentedInstance:
        """The instance of a prompt on a video frame where the object's mask (H, W) may be `known`.

        A mask prompt is taken as it is; points correct the mask prompt or the known mask; a box starts anew.
        """
        base = known if prompt.mask is None else prompt.mask
        if self._sam is None or base is None or prompt.box is not None:
            return self.segment(image, parse_prompt(prompt, image.size), 0)
        parsed = parse_prompt(prompt, image.size, is_correction=True)
        mask, quality = base, 1.0
        if len(parsed.points):
            embedding = image.embeddings[0]
            proposal = correct_mask(self._sam, embedding, base, parsed.points, parsed.labels, self._config)
            mask, quality = remove_specks(proposal.mask, parsed.inner_points), proposal.quality
            if not mask.any():
                mask, quality = base, 0.0
        flags = quality_flags(mask, quality, self._config.low_quality)
        return SegmentedInstance(mask, bounding_box(mask), quality, 0, None, flags)

    def _decode(self, sam: MobileSam, image: EmbeddedImage, prompt: ParsedPrompt) -> Proposal:
        box, embeddings = prompt.region_box, self._embeddings(image, sam)
        decoder_prompt = build_prompt(box, prompt.points, prompt.labels)
        if box is None and len(prompt.points) == 1:
            return decode_ambiguous(sam, embeddings, decoder_prompt, self._config)
        proposal = decode_mean(sam, embeddings, decoder_prompt, prior=prompt.mask)
        if prompt.mask is not None or len(prompt.points):
            # a prior or a point says which candidate is meant, and a choice by size would ignore it
            return proposal
        return self._choose_candidate(sam, embeddings, decoder_prompt, box, proposal)

    def _choose_candidate(
        self,
        sam: MobileSam,
        embeddings: Sequence[ImageEmbedding],
        prompt: DecoderPrompt,
        box: Box | None,
        proposal: Proposal,
    ) -> Proposal:
        """`proposal`, or another candidate where it is poor or shows what is behind the object."""
        proposal = replace_low_quality(sam, embeddings, prompt, proposal, self._config)
        if box is None:
            return proposal
        return prefer_figure(sam, embeddings, prompt, box, proposal, self._config)

    def _embeddings(self, image: EmbeddedImage, sam: MobileSam) -> list[ImageEmbedding]:
        if self._mirror and len(image.embeddings) == 1:
            image.embeddings.append(sam.encode(image.image, mirrored=True))
        return image.embeddings
