"""How concept engines are asked about images: one phrase at a time, without clean-ups of our own."""

from collections.abc import Iterator, Sequence
from typing import Any

from maquette.contract.vocabulary import UnknownPhrase

from workers.engines.protocols import (
    ConceptEngine,
    ImageHandle,
    MaskCleanup,
    RequestRefused,
    SegmentedInstance,
)
from workers.formats.rle import encode_mask

# neither the papers' image code nor their evaluation suppresses duplicates or fills holes
NO_CLEANUP = MaskCleanup(nms_iou=1.0, fill_area=0)


def ground_phrases(
    engine: ConceptEngine, handle: ImageHandle, phrases: Sequence[str], threshold: float
) -> Iterator[list[SegmentedInstance] | None]:
    """The instances of each phrase, None when the engine refuses it."""
    cleanup = NO_CLEANUP if "mask_cleanup" in engine.info.capabilities else None
    for phrase in phrases:
        try:
            yield engine.ground(handle, [phrase], thresholds=[threshold], cleanup=cleanup)
        except (UnknownPhrase, RequestRefused):
            yield None


def to_row(instance: SegmentedInstance) -> dict[str, Any]:
    """An instance as COCO's results have it: box xywh in pixels, mask as RLE, score."""
    left, top, right, bottom = instance.box
    return {
        "score": float(instance.score),
        "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
        "segmentation": encode_mask(instance.mask),
    }
