"""A frame's objects while its result waits for duplicates to be known, and the result itself."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from workers.engines.concepts.sam3.upsample import upsample_masks
from workers.engines.protocols import FrameResult, Mask, TrackedInstance, TrackPrompts
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box


@dataclass(slots=True)
class FrameObjects:
    """The objects of all phrases, or of all visual prompts, in one frame.

    `masks` are logits (N, h, w); row i belongs to `ids[i]`. `ranks` decide who owns a contested pixel, higher
    first; `prompts` count phrases first, then visual prompts.
    """

    ids: list[int]
    prompts: list[int]
    scores: list[float]
    ranks: list[float]
    masks: Any


@dataclass(slots=True)
class DeferredFrame:
    """A frame whose objects may still turn out to be duplicates, by phrases and by visual prompts."""

    index: int
    pts: int
    of_phrases: FrameObjects | None = None
    of_prompts: FrameObjects | None = None

    def pack(self) -> dict[str, Any]:
        """The frame as plain containers and tensors."""
        return {
            "index": self.index,
            "pts": self.pts,
            "phrases": asdict(self.of_phrases) if self.of_phrases else None,
            "clicks": asdict(self.of_prompts) if self.of_prompts else None,
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "DeferredFrame":
        """The frame of `pack`."""
        of_phrases, of_prompts = (
            FrameObjects(**packed[kind]) if packed[kind] else None for kind in ("phrases", "clicks")
        )
        return cls(packed["index"], packed["pts"], of_phrases, of_prompts)

    def phrase_ids(self) -> set[int]:
        """The ids of its objects of phrases."""
        return set(self.of_phrases.ids) if self.of_phrases else set()

    def remove_phrase_objects(self, ids: set[int]) -> None:
        """Take objects of phrases out."""
        if self.of_phrases:
            self.of_phrases = _without(self.of_phrases, ids)


def build_frame_result(
    frame: DeferredFrame, prompts: TrackPrompts, size: tuple[int, int], chunk: int
) -> FrameResult:
    """The result of a frame of (height, width); no mask is empty.

    Objects of visual prompts keep their ids, objects of phrases get the ids after them. Objects of one phrase
    share no pixel: the better rank owns it (as in transformers' video processor).
    """
    offset = prompts.objects + 1
    instances: list[TrackedInstance] = []
    if frame.of_prompts:
        objects = frame.of_prompts
        for row, mask in enumerate(upsample_masks(objects.masks, size, chunk, probabilities=False)):
            instances += _to_instances(objects, row, mask, 0, prompts)
    if frame.of_phrases:
        objects = frame.of_phrases
        masks = list(upsample_masks(objects.masks, size, chunk, probabilities=False))
        for row in _resolve_overlaps(objects, masks):
            instances += _to_instances(objects, row, masks[row], offset, prompts)
    return FrameResult(frame.index, frame.pts, tuple(sorted(instances, key=lambda item: item.id)))


def _without(objects: FrameObjects, ids: set[int]) -> FrameObjects:
    rows = [row for row, number in enumerate(objects.ids) if number not in ids]
    return FrameObjects(
        [objects.ids[row] for row in rows],
        [objects.prompts[row] for row in rows],
        [objects.scores[row] for row in rows],
        [objects.ranks[row] for row in rows],
        objects.masks[torch.tensor(rows, dtype=torch.long, device=objects.masks.device)],
    )


def _resolve_overlaps(objects: FrameObjects, masks: list[Mask]) -> list[int]:
    """Give each contested pixel to the best rank of its prompt, in place; the rows in order of rank."""
    rows = sorted(range(len(masks)), key=lambda row: (-objects.ranks[row], row))
    occupied: dict[int, Mask] = {}
    for row in rows:
        prompt = objects.prompts[row]
        if prompt in occupied:
            masks[row] &= ~occupied[prompt]
            occupied[prompt] |= masks[row]
        else:
            occupied[prompt] = masks[row].copy()
    return rows


def _to_instances(
    objects: FrameObjects, row: int, mask: Mask, offset: int, prompts: TrackPrompts
) -> list[TrackedInstance]:
    """One row as an instance whose id is moved by `offset`; nothing for an empty mask."""
    if not mask.any():
        return []
    number, prompt = objects.ids[row] + offset, objects.prompts[row]
    label = prompts.phrases[prompt] if prompt < len(prompts.phrases) else None
    score, flags = objects.scores[row], truncation_flags(mask)
    return [TrackedInstance(mask, bounding_box(mask), score, prompt, label, flags, id=number)]
