"""SAM 3 by Meta's own package, behind the protocol of concept engines."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
from maquette.contract import Problem
from maquette.contract.capabilities import SAM3_SHARED
from numpy.typing import NDArray

from workers.engines.concepts.sam3 import kernels
from workers.engines.concepts.sam3.errors import LICENCE
from workers.engines.concepts.sam3.meta_backend.grounding import MetaEmbedding, MetaGrounding, MetaImage
from workers.engines.concepts.sam3.meta_backend.loading import COMMIT, MetaModels, find_models
from workers.engines.concepts.sam3.meta_backend.tracker import MetaTracker
from workers.engines.concepts.sam3.postprocess import (
    RawDetections,
    build_instances,
    build_query_instances,
    build_semantic_map,
)
from workers.engines.concepts.sam3.preprocess import check_image
from workers.engines.concepts.sam3.requests import check_exemplars, check_track_prompts
from workers.engines.concepts.sam3.settings import MetaSettings
from workers.engines.concepts.sam3.tokenizer import check_token_count
from workers.engines.protocols import (
    Box,
    EngineInfo,
    GroundingQuery,
    ImageHandle,
    MaskCleanup,
    RequestRefused,
    Rgb,
    SegmentedInstance,
    Tracker,
    TrackPrompts,
    VisualPrompt,
)

LIMITS = (
    "A phrase is a short noun phrase of at most 30 tokens; longer ones are refused, not cut.",
    "Exemplar boxes lie in the searched image; boxes of another one are refused.",
    "A video is held completely and results come in the last pass over it; masks are no prompts.",
)


class MetaConcepts:
    """Any noun phrase, any visual prompt; in video also exemplar boxes; SAM 3.1 where configured."""

    def __init__(self, settings: MetaSettings | None = None, *, models: MetaModels | None = None) -> None:
        """Build the models of the settings (of the environment by default), or use models.

        Raises MetaPackageMissing, NeedsCuda, Sam3Unavailable, WeightsCorrupt: see `loading`; KernelMissing.
        """
        # hole filling and mask NMS of images are transformers' code here too
        kernels.install()
        kernels.check()
        self._models = models or find_models(settings or MetaSettings())
        self._settings = self._models.settings
        self._models.build()
        self._grounding = MetaGrounding(self._models)
        has_multiplex = self._settings.multiplex is not None
        release = "3.1" if has_multiplex else "3"
        if self._settings.images == "sam3.1":
            release += " with images"
        self.info = EngineInfo(
            name="sam3",
            kind="concepts",
            version=f"meta {release} facebookresearch/sam3@{COMMIT[:12]}",
            device=self._models.device,
            licence=f"weights and code: {LICENCE}",
            capabilities=SAM3_SHARED,
            limits=(*LIMITS, f"A video has at most {self._settings.max_frames} frames."),
            vocabulary=None,
            weights=dict(self._models.weights),
            # Meta's code multiplies by bfloat16 autocast and allows TF32, whatever is asked for
            settings={
                "profile": "fast",
                "dtype": "autocast",
                "tf32": True,
                "attention": "flash"
                if has_multiplex and self._settings.resolve_flash_attention()
                else "sdpa",
                "compile": "default" if self._settings.compile else "off",
            },
        )

    def embed(self, image: Rgb, key: str) -> MetaEmbedding:
        """Embed an RGB image (H, W, 3) u8; the same key returns the cached handle."""
        return self.embed_batch([self.prepare(image, key)])[0]

    def prepare(self, image: Rgb, key: str) -> MetaImage:
        """The image as it is: Meta's processor resizes on the GPU; raises ValueError for another shape."""
        check_image(image)
        return MetaImage(image, key)

    def embed_batch(self, items: Sequence[MetaImage]) -> list[MetaEmbedding]:
        """The handles of prepared images, those that are not cached from one forward."""
        return self._grounding.embed(items)

    def check(self, phrases: Sequence[str]) -> None:
        """Raise PhraseRejected for the first phrase that is empty or too long; no phrase is unknown."""
        for phrase in phrases:
            check_token_count(phrase, self._grounding.count_tokens(phrase) if phrase.strip() else 0)

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase; the label is the phrase."""
        query = GroundingQuery(handle, tuple(phrases), tuple(thresholds), cleanup)
        return self.finish(query, self.ground_batch([query])[0])

    def ground_batch(self, queries: Sequence[GroundingQuery]) -> list[list[RawDetections]]:
        """The detector's outputs for each phrase of each query, several images in one forward."""
        for query in queries:
            self.check(query.phrases)
        pairs = [(_require_handle(query.handle), text) for query in queries for text in query.phrases]
        detections = iter(self._grounding.ground(pairs))
        return [list(islice(detections, len(query.phrases))) for query in queries]

    def finish(self, query: GroundingQuery, raw: Sequence[RawDetections]) -> list[SegmentedInstance]:
        """The instances of a query from the detector's outputs."""
        return build_query_instances(query, raw, self._settings)

    def map_semantics(self, handle: ImageHandle, phrases: Sequence[str]) -> list[NDArray[np.float32]]:
        """The model's semantic map of each phrase; see `SemanticEngine`. Raises PhraseRejected."""
        self.check(phrases)
        image = _require_handle(handle)
        raw = self._grounding.ground([(image, phrase) for phrase in phrases])
        return [build_semantic_map(each, image.size) for each in raw]

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

        Raises ValueError without boxes or with other labels, RequestRefused for a box in another image.
        """
        check_exemplars(boxes, labels)
        image = _require_handle(handle)
        if any(one is not None and one is not image for one in shown):
            raise RequestRefused(
                Problem.from_code(
                    "exemplars_other_image",
                    422,
                    "this backend accepts exemplar boxes of the searched image only",
                )
            )
        return build_instances(
            self._grounding.ground_exemplars(image, phrase, boxes, labels),
            image.size,
            self._settings.clean_with(cleanup),
            threshold=threshold,
            prompt=0,
            label=phrase,
        )

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per prompt, in order; raises ValueError for one that cannot be answered."""
        image = _require_handle(handle)
        return [self._grounding.segment(image, prompt, index) for index, prompt in enumerate(prompts)]

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video, which takes one exemplar box on a frame per phrase.

        Raises PhraseRejected, RequestRefused for a mask prompt, ValueError.
        """
        self.check(prompts.phrases)
        check_track_prompts(prompts)
        return MetaTracker(self._models, prompts, state=state)


def _require_handle(handle: ImageHandle) -> MetaEmbedding:
    if not isinstance(handle, MetaEmbedding):
        raise TypeError(f"a handle of this engine's embed is needed, not {type(handle).__name__}")
    return handle
