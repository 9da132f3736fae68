"""SAM 3 behind the protocol of concept engines: open vocabulary, exemplars, clicks and video."""

from collections.abc import Sequence

import transformers

from workers.engines.concepts.sam3.clicks import Clicks
from workers.engines.concepts.sam3.errors import LICENCE
from workers.engines.concepts.sam3.image import Exemplar, Grounding, Raw, Sam3Image
from workers.engines.concepts.sam3.loading import Loaded, load
from workers.engines.concepts.sam3.postprocess import Rules, select, stabilities
from workers.engines.concepts.sam3.preprocess import check_image
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.upsample import upsample
from workers.engines.concepts.sam3.video import Sam3Tracker
from workers.engines.protocols import (
    Box,
    EngineInfo,
    ImageHandle,
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
    "Exemplar boxes of another image go beyond what the model was trained for; what they find is flagged.",
    "In video, exemplar boxes are not answered; clicks and masks are, on any frame.",
    "Results of phrases in video come 14 frames late, so that duplicates are not shown.",
)


class Sam3Concepts:
    """Any noun phrase, any click; `vocabulary` is None because it is open."""

    def __init__(self, settings: Sam3Settings | None = None, *, loaded: Loaded | None = None) -> None:
        """Load the weights of the settings (of the environment by default), or take a model that is loaded.

        Raises Sam3Unavailable, WeightsCorrupt, KernelMissing, ValueError: see `loading.load`.
        """
        self._settings = settings or Sam3Settings()
        self._loaded = loaded or load(self._settings)
        chosen = self._settings
        self._grounding = Grounding(
            self._loaded,
            image_bytes=chosen.cache_bytes,
            phrase_bytes=chosen.phrase_cache_bytes,
            chunk=chosen.phrase_chunk,
        )
        self._clicks = Clicks(self._loaded, fill_area=chosen.fill_area)
        self.info = self._describe()

    def _describe(self) -> EngineInfo:
        loaded = self._loaded
        origin = "local" if loaded.revision == "local" else f"{loaded.source}@{loaded.revision}"
        together = self._settings.frames_together(loaded.device.type)
        # sums of a batch are rounded in another order, and the version stands in the keys of stages
        batch = f" batch-{together}" if together > 1 else ""
        limits = (
            *LIMITS,
            f"At most {self._settings.max_objects} objects of phrases are followed in a video.",
        )
        return EngineInfo(
            name="sam3",
            kind="concepts",
            version=f"{origin} transformers-{transformers.__version__}{batch}",
            device=f"{loaded.device}:{str(loaded.dtype).removeprefix('torch.')}",
            licence=f"weights: {LICENCE}; code: Apache-2.0",
            capabilities=("phrases", "boxes", "points", "masks", "exemplars", "video"),
            limits=limits,
            vocabulary=None,
            weights=dict(loaded.weights),
        )

    def embed(self, image: Rgb, key: str) -> Sam3Image:
        """Embed an RGB image (H, W, 3) u8; the same key gives the handle that is cached for it."""
        check_image(image)
        return self._grounding.embed(image, key)

    def check(self, phrases: Sequence[str]) -> None:
        """Raise PhraseRejected for the first phrase that is empty or too long; no phrase is unknown."""
        for phrase in phrases:
            self._loaded.tokenizer.encode(phrase)

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase; the label is the phrase.

        Scores count the model's presence score. Raises PhraseRejected.
        """
        image = _own(handle)
        out: list[SegmentedInstance] = []
        chosen = thresholds or [None] * len(phrases)
        found = self._grounding.ground(image, phrases)
        for index, (raw, least) in enumerate(zip(found, chosen, strict=True)):
            out += self._instances(image, raw, least, index, phrases[index])
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

        Boxes are xyxy pixels of the image that `shown` names; a phrase narrows what is meant. The model was
        not trained with boxes of other images: what they find carries `exemplar_from_other_image`. Raises
        ValueError without boxes or with labels other than 0 and 1, PhraseRejected.
        """
        if not boxes or len(boxes) != len(labels) or not set(labels) <= {0, 1}:
            raise ValueError("exemplars need at least one box, and a label of 1 or 0 for each")
        image = _own(handle)
        sources = [image if one is None else _own(one) for one in shown] or [image] * len(boxes)
        exemplars = [Exemplar(*each) for each in zip(sources, boxes, labels, strict=True)]
        raw = self._grounding.exemplars(image, phrase, exemplars)
        flags = ("exemplar_from_other_image",) if any(one is not image for one in sources) else ()
        return self._instances(image, raw, threshold, 0, phrase, flags)

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per click, in order; raises ValueError for a click that says nothing.

        A mask of low quality, or one that had to be made up because nothing was found, carries `low_iou`.
        """
        image = _own(handle)
        vision = self._grounding.vision(image)
        return [self._clicks.segment(image, vision, prompt, index) for index, prompt in enumerate(prompts)]

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video; `state` is a snapshot to go on from. Raises PhraseRejected, ValueError.

        Phrases count on every frame, clicks and removals on their own. A click on an object that is followed
        mends it: points correct the mask, a box or a mask replaces it; one on an object of a phrase takes it
        over, under the same id.
        """
        self.check(prompts.phrases)
        if not prompts.phrases and not prompts.visual_prompts:
            raise ValueError("a video needs at least one phrase or click")
        return Sam3Tracker(self._loaded, self._grounding, self._settings, prompts, state=state)

    def _instances(
        self,
        image: Sam3Image,
        raw: Raw,
        threshold: float | None,
        index: int,
        label: str | None,
        flags: tuple[str, ...] = (),
    ) -> list[SegmentedInstance]:
        chosen = self._settings
        least = chosen.threshold if threshold is None else threshold
        rules = Rules(least, chosen.nms_iou, chosen.fill_area, chosen.mask_chunk)
        scores, logits = select(raw.scores, raw.masks, rules)
        masks = upsample(logits, image.size, rules.chunk, soft=True)
        return [
            SegmentedInstance(
                mask, bounding_box(mask), score, index, label, (*flags, *truncation_flags(mask)), stable
            )
            for score, mask, stable in zip(scores, masks, stabilities(logits), strict=True)
            if mask.any()
        ]


def _own(handle: ImageHandle) -> Sam3Image:
    if not isinstance(handle, Sam3Image):
        raise TypeError(f"a handle of this engine's embed is needed, not {type(handle).__name__}")
    return handle
