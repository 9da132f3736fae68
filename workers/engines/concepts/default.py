"""The default concept engine: PicoDet for phrases, MobileSAM for masks, on any CPU."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from maquette.contract.vocabulary import COCO, parse_phrase
from numpy.typing import NDArray

from workers.engines.concepts.attributes import choose as choose_named
from workers.engines.concepts.automatic_masks import candidates, further
from workers.engines.concepts.consensus import Proposal, agree, choose, prompt_of, sure
from workers.engines.concepts.exemplars import ALIKE, Example, alike, unlike
from workers.engines.concepts.handles import EmbeddedImage, HandleCache
from workers.engines.concepts.mask_correction import mend
from workers.engines.concepts.masks import clip_mask, tidy
from workers.engines.concepts.mobilesam import DECODER, ENCODER, MobileSam, View
from workers.engines.concepts.naming import MODEL as CLASSIFIER
from workers.engines.concepts.naming import Namer
from workers.engines.concepts.picodet import WEIGHTS as DETECTOR
from workers.engines.concepts.picodet import Detection, PicoDet
from workers.engines.concepts.prompt_schedule import check, points_of
from workers.engines.concepts.tracking import DefaultTracker
from workers.engines.concepts.watershed import watershed
from workers.engines.protocols import (
    Box,
    EngineInfo,
    ImageHandle,
    Mask,
    Rgb,
    SegmentedInstance,
    Tracker,
    TrackPrompts,
    VisualPrompt,
)
from workers.engines.weights import WeightsError, load_manifest
from workers.geometry.borders import touches_border
from workers.geometry.boxes import bounding_box, clip_box

THRESHOLD = 0.5
LOW_QUALITY = 0.55
# a drawn box is meant and its mask stays inside; a detector's box is a guess
CLICK_MARGIN = 0.0
DETECTION_MARGIN = 0.1

LIMITS = (
    "Phrases come from a closed vocabulary: the 80 COCO classes with synonyms and plurals; "
    "any other phrase needs SAM 3.",
    "'everything' names what it finds by 1000 ImageNet names, often wrongly; in a video it follows the 80 "
    "classes only.",
    "Of attributes it knows eleven colours and four extremes ('largest red car'); relations and counts ('the "
    "second cup') are not understood.",
    "Things smaller than about 2% of the image's longest side are often missed by phrases.",
    "A single point is ambiguous: the largest of the equally likely objects is given; a box is surer.",
    "Tracking carries masks by optical flow between keyframes: very fast or look-alike objects can be lost "
    "or swapped.",
)


class DefaultConcepts:
    """Segments by phrases, boxes, points and masks, and tracks through video; always the same way.

    Without the MobileSAM weights it still answers clicks, by a watershed, and flags each such mask.
    """

    def __init__(self, *, threads: int = 2, cache_bytes: int = 512 * 2**20, mirror: bool = True) -> None:
        """Load the networks; `mirror` adds a flipped look at each image (+0.35 s, about +0.02 mIoU)."""
        self._cache = HandleCache(cache_bytes)
        self._mirror = mirror
        self._sam: MobileSam | None = None
        self._detector: PicoDet | None = None
        self._namer: Namer | None = None
        self._missing: WeightsError | None = None
        try:
            self._sam = MobileSam(threads)
            self._detector = PicoDet(threads)
            self._namer = Namer(threads)
        except WeightsError as error:
            self._missing = error
        self.info = self._describe()

    def _describe(self) -> EngineInfo:
        used = [ENCODER, DECODER] if self._sam else []
        used += [DETECTOR] if self._detector else []
        used += [CLASSIFIER] if self._namer else []
        manifest = load_manifest() if used else {}
        able: tuple[str, ...] = ("boxes", "points")
        if self._sam:
            able = (*able, "masks")
        if self._detector:
            able = ("phrases", *able, "video")
        if self._namer:
            able = (*able, "everything", "exemplars")
        return EngineInfo(
            name="default",
            kind="concepts",
            version="1",
            device="cpu",
            licence="Apache-2.0",
            capabilities=able,
            limits=LIMITS if self._missing is None else (f"Weights are not usable: {self._missing}", *LIMITS),
            vocabulary=COCO if self._detector else (),
            weights={name: manifest[name].sha256 for name in used},
        )

    def embed(self, image: Rgb, key: str) -> EmbeddedImage:
        """Embed an RGB image (H, W, 3) u8; the same key gives the handle that is cached for it."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(f"an image is uint8 of shape (H, W, 3), not {image.dtype} {image.shape}")
        handle = self._cache.get(key)
        if handle is None:
            handle = EmbeddedImage(image)
            if self._sam:
                handle.views.append(self._sam.encode(image))
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
    ) -> list[SegmentedInstance]:
        """All instances of each phrase, best first within a phrase; the engine's own threshold is 0.5.

        A phrase may ask for a colour and an extreme ("largest red car"): both are measured from the masks.
        "everything" adds what a grid of clicks finds, with ImageNet names and the masks' quality as scores;
        other labels are canonical COCO names, their scores the detector's. Raises UnknownPhrase, and
        WeightsError when the detector's weights are not usable.
        """
        wanted = [parse_phrase(phrase) for phrase in phrases]
        image, detector = _own(handle), self._need_detector()
        if image.detections is None:
            image.detections = detector.detect(image.image)
        chosen = [THRESHOLD if value is None else value for value in thresholds or [None] * len(wanted)]
        made: dict[Detection, tuple[Mask, float, float | None]] = {}
        out: list[SegmentedInstance] = []
        for index, (query, least) in enumerate(zip(wanted, chosen, strict=True)):
            named: list[SegmentedInstance] = []
            for item in image.detections:
                if item.label in query.classes and item.score >= least:
                    if item not in made:
                        made[item] = self._mask_of(image, item.box)
                    mask, quality, stability = made[item]
                    flags = _flags(mask, quality)
                    named.append(
                        SegmentedInstance(
                            mask, bounding_box(mask), item.score, index, item.label, flags, stability
                        )
                    )
            if query.everything and self._sam and self._namer:
                named += further(self._sam, self._namer, image, named, index, least)
            out += choose_named(image.image, named, query)
        return out

    def ground_exemplars(
        self,
        handle: ImageHandle,
        boxes: Sequence[Box],
        labels: Sequence[int],
        *,
        shown: Sequence[ImageHandle | None] = (),
        threshold: float | None = None,
    ) -> list[SegmentedInstance]:
        """The things in the boxes labelled 1, then what looks like them and unlike the boxes labelled 0.

        Boxes may lie in other images (`shown`): their things are not in the result. Scores of what was found
        are likenesses, 0..1; the default threshold is 0.62. Raises ValueError without a positive box, and
        WeightsError when the weights are not usable.
        """
        if 1 not in labels or len(boxes) != len(labels):
            raise ValueError("exemplars need a label of 1 or 0 for each box, and at least one 1")
        image = _own(handle)
        if self._sam is None:
            raise self._missing or RuntimeError("no MobileSAM")
        places = [image if one is None else _own(one) for one in shown or [None] * len(boxes)]
        examples = [
            Example(place, self.segment(place, [VisualPrompt(box=box)])[0], label == 1)
            for place, box, label in zip(places, boxes, labels, strict=True)
        ]
        here = [example for example in examples if example.image is image]
        rest = unlike(candidates(self._sam, image), [example.thing.mask for example in here])
        found = alike(image, rest, examples, ALIKE if threshold is None else threshold)
        good = [replace(example.thing, prompt=0) for example in here if example.positive]
        return good + [replace(item, score=fit) for item, fit in found]

    def segment(self, handle: ImageHandle, prompts: Sequence[VisualPrompt]) -> list[SegmentedInstance]:
        """Exactly one instance per click, in order; raises ValueError for a click that says nothing.

        A mask of low quality, or one that had to be made up because nothing was found, carries `low_iou`.
        """
        image = _own(handle)
        for prompt in prompts:
            check(prompt, image.size)
        return [self._click(image, prompt, index) for index, prompt in enumerate(prompts)]

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> Tracker:
        """A tracker for one video; `state` is a snapshot of an earlier one with the same prompts."""
        self.check(prompts.phrases)
        detector = self._need_detector()
        if self._sam is None:
            raise self._missing or RuntimeError("no MobileSAM")
        return DefaultTracker(self._sam, detector, self._follow, prompts, state=state)

    def _follow(self, image: EmbeddedImage, click: VisualPrompt, known: Mask | None) -> SegmentedInstance:
        """The mask of a click in a video: a mask is taken as it is, points mend it or what is known."""
        points, labels = points_of(click)
        base = known if click.mask is None else click.mask
        if self._sam is None or base is None or click.box is not None:
            return self._click(image, click, 0)
        if not len(points):
            return SegmentedInstance(base, bounding_box(base), 1.0, 0, None, _flags(base, 1.0))
        found = mend(self._sam, image.views[0], base, points, labels)
        mask, quality = tidy(found.mask, points[labels == 1]), found.quality
        if not mask.any():
            mask, quality = base, 0.0
        return SegmentedInstance(mask, bounding_box(mask), quality, 0, None, _flags(mask, quality))

    def _need_detector(self) -> PicoDet:
        if self._detector is None:
            raise self._missing or RuntimeError("no detector")
        return self._detector

    def _views(self, image: EmbeddedImage) -> list[View]:
        if self._mirror and self._sam and len(image.views) == 1:
            image.views.append(self._sam.encode(image.image, mirrored=True))
        return image.views

    def _mask_of(self, image: EmbeddedImage, box: Box) -> tuple[Mask, float, float | None]:
        """A detection's mask, its quality and its stability."""
        if self._sam is None:
            raise self._missing or RuntimeError("no MobileSAM")
        none = np.zeros((0, 2), np.float64), np.zeros(0, np.int64)
        views, prompt = self._views(image), prompt_of(box, *none)
        found = sure(self._sam, views, prompt, agree(self._sam, views, prompt, refine=False), LOW_QUALITY)
        mask = tidy(clip_mask(found.mask, box, DETECTION_MARGIN))
        if not mask.any():
            return _made_up(image.size, box, none[0]), 0.0, None
        return mask, found.quality, found.stability

    def _click(self, image: EmbeddedImage, click: VisualPrompt, index: int) -> SegmentedInstance:
        points, labels = points_of(click)
        box = None if click.box is None else clip_box(click.box, image.size)
        around = box if box is not None or click.mask is None else bounding_box(click.mask)
        stability: float | None = None
        if self._sam is None:
            mask, quality = watershed(image.image, around, points, labels), 0.0
        else:
            found = self._decode(self._sam, image, around, points, labels, click.mask)
            mask, quality, stability = found.mask, found.quality, found.stability
        if box is not None:
            mask = clip_mask(mask, box, CLICK_MARGIN)
        mask = tidy(mask, points[labels == 1])
        if not mask.any():
            mask, quality, stability = _made_up(image.size, around, points[labels == 1]), 0.0, None
        flags = _flags(mask, quality)
        if self._sam is None:
            flags = (*flags, "fallback_watershed")
        return SegmentedInstance(mask, bounding_box(mask), quality, index, None, flags, stability)

    def _decode(
        self,
        sam: MobileSam,
        image: EmbeddedImage,
        box: Box | None,
        points: NDArray[np.float64],
        labels: NDArray[np.int64],
        prior: Mask | None,
    ) -> Proposal:
        prompt, views = prompt_of(box, points, labels), self._views(image)
        if box is None and len(points) == 1:
            return choose(sam, views, prompt)
        found = agree(sam, views, prompt, prior=prior)
        # a prior or a point says which candidate is meant, and a choice by size does not hear it
        return sure(sam, views, prompt, found, LOW_QUALITY) if prior is None and not len(points) else found


def _own(handle: ImageHandle) -> EmbeddedImage:
    if not isinstance(handle, EmbeddedImage):
        raise TypeError(f"a handle of this engine's embed is needed, not {type(handle).__name__}")
    return handle


def _flags(mask: Mask, quality: float) -> tuple[str, ...]:
    flags = ("low_iou",) if quality < LOW_QUALITY else ()
    return (*flags, "truncated") if touches_border(mask) else flags


def _made_up(size: tuple[int, int], box: Box | None, points: NDArray[np.float64]) -> Mask:
    """What the click itself says when nothing was found: its box, else a pixel at each point."""
    mask = np.zeros(size, np.bool_)
    if box is not None:
        mask[int(box[1]) : int(np.ceil(box[3])), int(box[0]) : int(np.ceil(box[2]))] = True
    for x, y in points:
        mask[min(max(int(y), 0), size[0] - 1), min(max(int(x), 0), size[1] - 1)] = True
    return mask
