"""The default concept engine: PicoDet for phrases, MobileSAM for masks, on any CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from maquette.contract import Problem
from maquette.contract.vocabulary import COCO, parse_phrase

from workers.engines.concepts.byte_cache import ByteLimitedCache
from workers.engines.concepts.images import mobilesam, picodet, region_classifier
from workers.engines.concepts.images.attributes import filter_by_attributes
from workers.engines.concepts.images.automatic_masks import find_other_objects, generate_instances
from workers.engines.concepts.images.config import ImageConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.exemplars import Exemplar, exclude_known, select_similar
from workers.engines.concepts.images.mobilesam import MobileSam
from workers.engines.concepts.images.picodet import Detection, PicoDet
from workers.engines.concepts.images.prompt_segmenter import PromptSegmenter
from workers.engines.concepts.images.region_classifier import RegionClassifier
from workers.engines.concepts.tracking.config import TrackerConfig
from workers.engines.concepts.tracking.tracker import DefaultTracker
from workers.engines.concepts.visual_prompts import parse_prompt
from workers.engines.protocols import (
    Box,
    EngineInfo,
    ImageHandle,
    MaskCleanup,
    RequestRefused,
    Rgb,
    SegmentedInstance,
    Tracker,
    TrackPrompts,
    VisualPrompt,
)
from workers.engines.weights import WeightsError, load_manifest

LIMITS = (
    "Phrases come from a closed vocabulary: the 80 COCO classes with synonyms and plurals; "
    "any other phrase needs SAM 3.",
    "'everything' names what it finds by 1000 ImageNet names, often wrongly; in a video it tracks the 80 "
    "classes only.",
    "Of attributes it knows eleven colours and four extremes ('largest red car'); relations and counts ('the "
    "second cup') are not understood.",
    "Objects smaller than about 2% of the image's longest side are often missed by phrases.",
    "A single point is ambiguous: the largest of the equally likely objects is returned; a box is more "
    "reliable.",
    "Tracking propagates masks by optical flow between key frames: very fast or look-alike objects can be "
    "lost or swapped.",
)


class DefaultConcepts:
    """Segments by phrases, boxes, points and masks, and tracks through video; deterministic.

    Without the MobileSAM weights it still answers visual prompts by a watershed, and flags each such mask.
    """

    def __init__(
        self,
        *,
        threads: int = 2,
        cache_bytes: int = 512 * 2**20,
        mirror: bool = True,
        images: ImageConfig | None = None,
        tracking: TrackerConfig | None = None,
    ) -> None:
        """Load the networks; `mirror` also decodes each image's mirror image (+0.35 s, about +0.02 mIoU)."""
        self._config, self._tracking = images or ImageConfig(), tracking or TrackerConfig()
        self._cache: ByteLimitedCache[EmbeddedImage] = ByteLimitedCache(cache_bytes)
        self._sam: MobileSam | None = None
        self._detector: PicoDet | None = None
        self._classifier: RegionClassifier | None = None
        self._missing: WeightsError | None = None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="concepts")
        try:
            self._sam = MobileSam(threads)
            self._detector = PicoDet(self._pool, self._config.detection)
            self._classifier = RegionClassifier(threads, self._config.naming)
        except WeightsError as error:
            self._missing = error
        self._segmenter = PromptSegmenter(self._sam, self._config.decoding, mirror=mirror)
        self.info = self._describe()

    def _describe(self) -> EngineInfo:
        used = [mobilesam.ENCODER, mobilesam.DECODER] if self._sam else []
        used += [picodet.WEIGHTS] if self._detector else []
        used += [region_classifier.WEIGHTS] if self._classifier else []
        manifest = load_manifest() if used else {}
        capabilities: tuple[str, ...] = ("boxes", "points")
        if self._sam:
            capabilities = (*capabilities, "masks")
        if self._detector:
            capabilities = ("phrases", *capabilities, "video")
        if self._classifier:
            capabilities = (*capabilities, "everything", "exemplars")
        if self._sam and self._detector:
            capabilities = (*capabilities, "video_masks")
        if self._sam and self._classifier:
            capabilities = (*capabilities, "cross_image_exemplars")
        return EngineInfo(
            name="default",
            kind="concepts",
            version="2",
            device="cpu",
            licence="Apache-2.0",
            capabilities=capabilities,
            limits=LIMITS if self._missing is None else (f"Weights are not usable: {self._missing}", *LIMITS),
            vocabulary=COCO if self._detector else (),
            weights={name: manifest[name].sha256 for name in used},
        )

    def embed(self, image: Rgb, key: str) -> EmbeddedImage:
        """Embed an RGB image (H, W, 3) u8; the same key returns the cached handle."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(f"an image is uint8 of shape (H, W, 3), not {image.dtype} {image.shape}")
        handle = self._cache.get(key)
        if handle is None:
            handle = EmbeddedImage(image)
            if self._sam:
                handle.embeddings.append(self._sam.encode(image))
            self._cache.put(key, handle)
        return handle

    def check(self, phrases: Sequence[str]) -> None:
        """Raise UnknownPhrase for the first phrase that names none of the 80 classes."""
        for phrase in phrases:
            parse_phrase(phrase)

    def ground(
        self,
        handle: ImageHandle,
        phrases: Sequence[str],
        *,
        thresholds: Sequence[float | None] = (),
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase; the default threshold is 0.5.

        A phrase may ask for a colour and an extreme ("largest red car"): both are measured from the masks.
        "everything" adds the masks of a grid of points, with ImageNet names and the masks' quality as scores;
        other labels are canonical COCO names, their scores the detector's. Raises UnknownPhrase, and
        WeightsError when the detector's weights are not usable.
        """
        _refuse_cleanup(cleanup)
        queries = [parse_phrase(phrase) for phrase in phrases]
        image, detector, sam = _require_handle(handle), self._require_detector(), self._require_sam()
        if image.detections is None:
            image.detections = detector.detect(image.image)
        default = self._config.detection.default_threshold
        limits = [default if value is None else value for value in thresholds or [None] * len(queries)]
        segmented: dict[Detection, SegmentedInstance] = {}
        instances: list[SegmentedInstance] = []
        for index, (query, threshold) in enumerate(zip(queries, limits, strict=True)):
            matching: list[SegmentedInstance] = []
            for detection in image.detections:
                if detection.label in query.classes and detection.score >= threshold:
                    if detection not in segmented:
                        segmented[detection] = self._segmenter.segment_detection(image, detection, sam)
                    matching.append(replace(segmented[detection], prompt=index))
            if query.everything and self._classifier:
                matching += find_other_objects(
                    sam,
                    self._classifier,
                    image,
                    matching,
                    prompt=index,
                    threshold=threshold,
                    config=self._config,
                )
            instances += filter_by_attributes(image.image, matching, query, self._config.attributes)
        return instances

    def ground_exemplars(
        self,
        handle: ImageHandle,
        boxes: Sequence[Box],
        labels: Sequence[int],
        *,
        shown: Sequence[ImageHandle | None] = (),
        threshold: float | None = None,
        cleanup: MaskCleanup | None = None,
    ) -> list[SegmentedInstance]:
        """The instances in the boxes labelled 1, then what looks like them and unlike the boxes labelled 0.

        Boxes may lie in other images (`shown`): their instances are not in the result. Scores of further
        instances are appearance similarities, 0..1; the default threshold is 0.62. Raises ValueError without
        a positive box, and WeightsError when the weights are not usable.
        """
        _refuse_cleanup(cleanup)
        if 1 not in labels or len(boxes) != len(labels):
            raise ValueError("exemplars need a label of 1 or 0 for each box, and at least one 1")
        image, sam, config = _require_handle(handle), self._require_sam(), self._config.exemplars
        sources = [image if one is None else _require_handle(one) for one in shown or [None] * len(boxes)]
        exemplars = [
            Exemplar(source, self.segment(source, [VisualPrompt(box=box)])[0], label == 1)
            for source, box, label in zip(sources, boxes, labels, strict=True)
        ]
        own = [exemplar for exemplar in exemplars if exemplar.image is image]
        known = [exemplar.instance.mask for exemplar in own]
        candidates = exclude_known(generate_instances(sam, image, self._config.grid), known, config)
        least = config.default_threshold if threshold is None else threshold
        similar = select_similar(image, candidates, exemplars, least, config)
        positives = [replace(exemplar.instance, prompt=0) for exemplar in own if exemplar.positive]
        return positives + [replace(item, score=similarity) for item, similarity in similar]

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per prompt, in order; raises ValueError for a prompt that cannot be answered.

        A mask of low quality, or the prompt's own shape where nothing was found, is flagged `low_iou`.
        """
        image = _require_handle(handle)
        parsed = [parse_prompt(prompt, image.size) for prompt in prompts]
        return [self._segmenter.segment(image, prompt, index) for index, prompt in enumerate(parsed)]

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video; `state` is a snapshot of an earlier one with the same prompts."""
        self.check(prompts.phrases)
        detector, sam = self._require_detector(), self._require_sam()
        return DefaultTracker(
            sam,
            detector,
            self._segmenter,
            prompts,
            pool=self._pool,
            config=self._tracking,
            images=self._config,
            state=state,
        )

    def _require_detector(self) -> PicoDet:
        if self._detector is None:
            raise self._missing or RuntimeError("no detector")
        return self._detector

    def _require_sam(self) -> MobileSam:
        if self._sam is None:
            raise self._missing or RuntimeError("no MobileSAM")
        return self._sam


def _require_handle(handle: ImageHandle) -> EmbeddedImage:
    if not isinstance(handle, EmbeddedImage):
        raise TypeError(f"a handle of this engine's embed is needed, not {type(handle).__name__}")
    return handle


def _refuse_cleanup(cleanup: MaskCleanup | None) -> None:
    if cleanup is not None:
        detail = "this engine takes neither nms_iou nor fill_area: its masks are not cleaned that way"
        raise RequestRefused(Problem.from_code("mask_cleanup_unsupported", 422, detail))
