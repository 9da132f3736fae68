"""SAM 3 by transformers behind the protocol of concept engines."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import transformers
from maquette.contract.capabilities import SAM3
from numpy.typing import NDArray

from workers.engines.concepts.sam3.errors import LICENCE
from workers.engines.concepts.sam3.postprocess import (
    RawDetections,
    build_instances,
    build_query_instances,
    build_semantic_map,
)
from workers.engines.concepts.sam3.preprocess import check_image
from workers.engines.concepts.sam3.requests import check_exemplars, check_track_prompts
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.grounding import (
    ExemplarBox,
    Grounding,
    PreparedImage,
    Sam3Embedding,
)
from workers.engines.concepts.sam3.transformers_backend.loading import LoadedModel, load_model
from workers.engines.concepts.sam3.transformers_backend.precision import computes
from workers.engines.concepts.sam3.transformers_backend.prompt_decoder import PromptDecoder
from workers.engines.concepts.sam3.transformers_backend.tracker import Sam3Tracker
from workers.engines.protocols import (
    Box,
    EngineInfo,
    GroundingQuery,
    ImageHandle,
    MaskCleanup,
    Rgb,
    SegmentedInstance,
    Tracker,
    TrackPrompts,
    VisualPrompt,
)

LIMITS = (
    "A phrase is a short noun phrase of at most 30 tokens; longer ones are refused, not cut.",
    "Exemplar boxes of another image go beyond what the model was trained for; what they find is flagged.",
    "Exemplar boxes on a frame of a video count on that frame; what they find is tracked.",
    "Results of phrases in video come 14 frames late, so that duplicates are not shown.",
)


class Sam3Concepts:
    """Any noun phrase, any visual prompt; `vocabulary` is None because it is open."""

    def __init__(self, settings: Sam3Settings | None = None, *, loaded: LoadedModel | None = None) -> None:
        """Load the weights of the settings (of the environment by default), or use a loaded model.

        Raises Sam3Unavailable, WeightsCorrupt, KernelMissing, ValueError: see `loading.load_model`.
        """
        self._settings = settings or Sam3Settings()
        self._loaded = loaded or load_model(self._settings)
        self._grounding = Grounding(self._loaded, self._settings)
        self._decoder = PromptDecoder(self._loaded, fill_area=self._settings.postprocess.fill_area)
        self.info = self._describe()

    def _describe(self) -> EngineInfo:
        loaded = self._loaded
        origin = "local" if loaded.revision == "local" else f"{loaded.source}@{loaded.revision}"
        limits = (
            *LIMITS,
            f"At most {self._settings.max_objects} objects of phrases are tracked in a video.",
        )
        return EngineInfo(
            name="sam3",
            kind="concepts",
            # it is part of the keys of a dataset's stages, and roundings differ between profiles
            version=f"{origin} transformers-{transformers.__version__} {loaded.profile.label()}",
            device=f"{loaded.device}:{loaded.precision}",
            licence=f"weights: {LICENCE}; code: Apache-2.0",
            capabilities=SAM3,
            limits=limits,
            vocabulary=None,
            weights=dict(loaded.weights),
            settings=loaded.profile.as_settings(),
        )

    @computes
    def embed(self, image: Rgb, key: str) -> Sam3Embedding:
        """Embed an RGB image (H, W, 3) u8; the same key returns the cached handle."""
        return self._grounding.embed([self.prepare(image, key)])[0]

    def prepare(self, image: Rgb, key: str) -> PreparedImage:
        """The image resized on the CPU; raises ValueError for another shape or type."""
        check_image(image)
        return self._grounding.prepare(image, key)

    @computes
    def embed_batch(self, items: Sequence[PreparedImage]) -> list[Sam3Embedding]:
        """The handles of prepared images, those that are not cached from one forward."""
        return self._grounding.embed(items)

    def check(self, phrases: Sequence[str]) -> None:
        """Raise PhraseRejected for the first phrase that is empty or too long; no phrase is unknown."""
        for phrase in phrases:
            self._loaded.tokenizer.encode(phrase)

    @computes
    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase; the label is the phrase.

        Scores include the model's presence score. Raises PhraseRejected.
        """
        query = GroundingQuery(handle, tuple(phrases), tuple(thresholds), cleanup)
        return self.finish(query, self.ground_batch([query])[0])

    @computes
    def ground_batch(self, queries: Sequence[GroundingQuery]) -> list[list[RawDetections]]:
        """The detector's outputs for each phrase of each query, several images in one forward."""
        pairs = [(_require_handle(query.handle), text) for query in queries for text in query.phrases]
        detections = iter(self._grounding.ground(pairs))
        return [list(islice(detections, len(query.phrases))) for query in queries]

    @computes
    def finish(self, query: GroundingQuery, raw: Sequence[RawDetections]) -> list[SegmentedInstance]:
        """The instances of a query from the detector's outputs."""
        return build_query_instances(query, raw, self._settings)

    @computes
    def map_semantics(self, handle: ImageHandle, phrases: Sequence[str]) -> list[NDArray[np.float32]]:
        """The model's semantic map of each phrase; see `SemanticEngine`. Raises PhraseRejected."""
        image = _require_handle(handle)
        raw = self._grounding.ground([(image, phrase) for phrase in phrases])
        return [build_semantic_map(each, image.size) for each in raw]

    @computes
    def ground_exemplars(
        self,
        handle: ImageHandle,
        boxes: Sequence[Box],
        labels: Sequence[int],
        *,
        shown: Sequence[ImageHandle | None] = (),
        phrase: str | None = None,
        threshold: float | None = None,
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances that look like the boxes labelled 1 and unlike those labelled 0, best first.

        Boxes are xyxy pixels of the image in `shown`; a phrase narrows what is meant. The model was not
        trained with boxes of other images: what they find is flagged `exemplar_from_other_image`. Raises
        ValueError without boxes or with labels other than 0 and 1, PhraseRejected.
        """
        check_exemplars(boxes, labels)
        image = _require_handle(handle)
        sources = [image if one is None else _require_handle(one) for one in shown] or [image] * len(boxes)
        exemplars = [ExemplarBox(*each) for each in zip(sources, boxes, labels, strict=True)]
        raw = self._grounding.ground_exemplars(image, phrase, exemplars)
        is_foreign = any(source is not image for source in sources)
        return build_instances(
            raw,
            image.size,
            self._settings.clean_with(cleanup),
            threshold=threshold,
            prompt=0,
            label=phrase,
            flags=("exemplar_from_other_image",) if is_foreign else (),
        )

    @computes
    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per prompt, in order; raises ValueError for a prompt that cannot be answered.

        A mask of low quality, or the prompt's own shape where nothing was found, is flagged `low_iou`.
        """
        image = _require_handle(handle)
        vision = self._grounding.vision_output([image])
        return [self._decoder.segment(image, vision, prompt, index) for index, prompt in enumerate(prompts)]

    @computes
    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video; `state` is a snapshot to resume from. Raises PhraseRejected, ValueError.

        Phrases count on every frame, visual prompts and removals on their own. A prompt for a tracked object
        corrects it: points correct the mask, a box or a mask replaces it. A prompt for an object of a phrase
        takes it over, under the same id.
        """
        self.check(prompts.phrases)
        check_track_prompts(prompts)
        return Sam3Tracker(self._loaded, self._grounding, self._settings, prompts, state=state)


def _require_handle(handle: ImageHandle) -> Sam3Embedding:
    if not isinstance(handle, Sam3Embedding):
        raise TypeError(f"a handle of this engine's embed is needed, not {type(handle).__name__}")
    return handle
