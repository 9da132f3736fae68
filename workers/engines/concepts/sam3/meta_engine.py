"""SAM 3 by Meta's own package, behind the protocol of concept engines."""

from collections.abc import Sequence

import numpy as np
from maquette.contract import Problem

from workers.engines.concepts.sam3 import meta_loading
from workers.engines.concepts.sam3.errors import LICENCE, PhraseRejected
from workers.engines.concepts.sam3.image import Raw
from workers.engines.concepts.sam3.meta_image import MetaGrounding, MetaImage
from workers.engines.concepts.sam3.meta_loading import COMMIT, MetaLoaded
from workers.engines.concepts.sam3.meta_video import MetaTracker
from workers.engines.concepts.sam3.postprocess import Rules, select, stabilities
from workers.engines.concepts.sam3.preprocess import check_image
from workers.engines.concepts.sam3.settings import MetaSettings
from workers.engines.concepts.sam3.tokenizer import LENGTH
from workers.engines.concepts.sam3.upsample import upsample
from workers.engines.protocols import (
    Box,
    EngineInfo,
    ImageHandle,
    RequestRefused,
    Rgb,
    SegmentedInstance,
    Tracker,
    TrackPrompts,
    VisualPrompt,
)
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box

LIMITS = (
    "A phrase is a short noun phrase of at most 30 tokens; longer ones are refused, not cut.",
    "Exemplar boxes lie in the picture that is searched; boxes of another one are refused.",
    "A video is held whole and its results come at its end; masks are no prompts in it.",
)


class MetaConcepts:
    """Any noun phrase, any click; videos with box exemplars on a frame, and SAM 3.1 where configured."""

    def __init__(self, settings: MetaSettings | None = None, *, loaded: MetaLoaded | None = None) -> None:
        """Find Meta's package and the checkpoints of the settings (of the environment by default).

        Raises MetaPackageMissing, NeedsCuda, Sam3Unavailable: see `meta_loading.load`.
        """
        self._loaded = loaded or meta_loading.load(settings or MetaSettings())
        self._settings = self._loaded.settings
        self._grounding = MetaGrounding(self._loaded)
        multiplex = self._settings.multiplex is not None
        self.info = EngineInfo(
            name="sam3",
            kind="concepts",
            version=f"meta {'3.1' if multiplex else '3'} facebookresearch/sam3@{COMMIT[:12]}",
            device=self._loaded.device,
            licence=f"weights and code: {LICENCE}",
            capabilities=("phrases", "boxes", "points", "masks", "exemplars", "video", "video_exemplars"),
            limits=(*LIMITS, f"A video has at most {self._settings.max_frames} frames."),
            vocabulary=None,
            weights=dict(self._loaded.weights),
        )

    def embed(self, image: Rgb, key: str) -> MetaImage:
        """Embed an RGB image (H, W, 3) u8; the same key gives the handle that is cached for it."""
        check_image(image)
        return self._grounding.embed(image, key)

    def check(self, phrases: Sequence[str]) -> None:
        """Raise PhraseRejected for the first phrase that is empty or too long; no phrase is unknown."""
        for phrase in phrases:
            count = self._grounding.length(phrase) if phrase.strip() else 0
            if not count:
                raise PhraseRejected("phrase_empty", phrase, "a phrase needs at least one word")
            if count > LENGTH - 2:
                detail = f"the phrase has {count} tokens, SAM 3 reads at most {LENGTH - 2}: use a short one"
                raise PhraseRejected("phrase_too_long", phrase, detail)

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase; the label is the phrase."""
        self.check(phrases)
        image = _own(handle)
        out: list[SegmentedInstance] = []
        chosen = thresholds or [None] * len(phrases)
        for index, (phrase, least) in enumerate(zip(phrases, chosen, strict=True)):
            out += self._instances(image, self._grounding.ground(image, phrase), least, index, phrase)
        return out

    def ground_exemplars(
        self,
        handle: ImageHandle,
        boxes: Sequence[Box],
        labels: Sequence[int],
        *,
        shown: Sequence[ImageHandle | None] = (),
        phrase: str | None = None,
        threshold: float | None = None,
    ) -> list[SegmentedInstance]:
        """All instances that look like the boxes labelled 1 and unlike those labelled 0, best first.

        Raises ValueError without boxes or with other labels, RequestRefused for a box in another image.
        """
        if not boxes or len(boxes) != len(labels) or not set(labels) <= {0, 1}:
            raise ValueError("exemplars need at least one box, and a label of 1 or 0 for each")
        image = _own(handle)
        if any(one is not None and one is not image for one in shown):
            raise RequestRefused(
                Problem.from_code(
                    "exemplars_other_image",
                    422,
                    "this backend takes exemplar boxes of the searched picture alone",
                )
            )
        raw = self._grounding.ground(image, phrase, boxes, labels)
        return self._instances(image, raw, threshold, 0, phrase)

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per click, in order; raises ValueError for a click that says nothing."""
        image = _own(handle)
        return [self._grounding.click(image, prompt, index) for index, prompt in enumerate(prompts)]

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video, which takes one exemplar box on a frame for each phrase.

        Raises PhraseRejected, RequestRefused for a mask prompt, ValueError.
        """
        self.check(prompts.phrases)
        if not prompts.phrases and not prompts.visual_prompts:
            raise ValueError("a video needs at least one phrase or click")
        return MetaTracker(self._loaded, prompts, state=state)

    def _instances(
        self, image: MetaImage, raw: Raw, threshold: float | None, index: int, label: str | None
    ) -> list[SegmentedInstance]:
        chosen = self._settings
        least = chosen.threshold if threshold is None else threshold
        rules = Rules(least, chosen.nms_iou, chosen.fill_area, chosen.mask_chunk)
        scores, logits = select(raw.scores, raw.masks, rules)
        masks = upsample(logits, image.size, rules.chunk, soft=True)
        return [
            SegmentedInstance(
                mask,
                bounding_box(mask),
                score,
                index,
                label,
                truncation_flags(mask),
                stable,
            )
            for score, mask, stable in zip(scores, masks, stabilities(logits), strict=True)
            if np.any(mask)
        ]


def _own(handle: ImageHandle) -> MetaImage:
    if not isinstance(handle, MetaImage):
        raise TypeError(f"a handle of this engine's embed is needed, not {type(handle).__name__}")
    return handle
