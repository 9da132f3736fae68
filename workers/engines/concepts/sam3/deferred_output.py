"""A frame's outcome while it waits to be shown, and what is shown of it."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from workers.engines.concepts.sam3.upsample import upsample
from workers.engines.protocols import FrameResult, Mask, TrackedInstance, TrackPrompts
from workers.geometry.borders import truncation_flags
from workers.geometry.boxes import bounding_box


@dataclass(slots=True)
class Shown:
    """The objects of one side (phrases or clicks): `masks` are logits (N, h, w), row i belongs to `ids[i]`.

    `ranks` decide who owns a contested pixel, higher first; `prompts` count phrases first, then clicks.
    """

    ids: list[int]
    prompts: list[int]
    scores: list[float]
    ranks: list[float]
    masks: Any


@dataclass(slots=True)
class Pending:
    """A frame whose objects may still turn out to be duplicates."""

    index: int
    pts: int
    phrases: Shown | None
    clicks: Shown | None

    def packed(self) -> dict[str, Any]:
        """As plain containers and tensors."""
        return asdict(self)

    @classmethod
    def of(cls, packed: dict[str, Any]) -> "Pending":
        """From `packed`."""
        sides = {side: Shown(**packed[side]) if packed[side] else None for side in ("phrases", "clicks")}
        return cls(packed["index"], packed["pts"], **sides)

    def awaited(self) -> set[int]:
        """Ids of phrase objects in it."""
        return set(self.phrases.ids) if self.phrases else set()

    def without(self, hidden: set[int]) -> None:
        """Take phrase objects out."""
        if self.phrases:
            self.phrases = _without(self.phrases, hidden)


def show(frame: Pending, prompts: TrackPrompts, size: tuple[int, int], chunk: int) -> FrameResult:
    """The frame's result: clicks keep their ids, phrase objects get the ids after them; no mask is empty.

    Phrase objects of one prompt share no pixel: the better rank has it (transformers' video processor).
    """
    offset = prompts.objects + 1
    objects: list[TrackedInstance] = []
    if frame.clicks:
        for row, mask in enumerate(upsample(frame.clicks.masks, size, chunk, soft=False)):
            objects += _tracked(frame.clicks, row, mask, 0, prompts)
    if frame.phrases:
        side = frame.phrases
        masks = list(upsample(side.masks, size, chunk, soft=False))
        for row in _deal(side, masks):
            objects += _tracked(side, row, masks[row], offset, prompts)
    return FrameResult(frame.index, frame.pts, tuple(sorted(objects, key=lambda item: item.id)))


def _without(side: Shown, hidden: set[int]) -> Shown:
    rows = [row for row, number in enumerate(side.ids) if number not in hidden]
    return Shown(
        [side.ids[row] for row in rows],
        [side.prompts[row] for row in rows],
        [side.scores[row] for row in rows],
        [side.ranks[row] for row in rows],
        side.masks[torch.tensor(rows, dtype=torch.long, device=side.masks.device)],
    )


def _deal(side: Shown, masks: list[Mask]) -> list[int]:
    """Give each contested pixel to the best rank of its prompt, in place; the rows in order of rank."""
    rows = sorted(range(len(masks)), key=lambda row: (-side.ranks[row], row))
    taken: dict[int, Mask] = {}
    for row in rows:
        prompt = side.prompts[row]
        if prompt in taken:
            masks[row] &= ~taken[prompt]
            taken[prompt] |= masks[row]
        else:
            taken[prompt] = masks[row].copy()
    return rows


def _tracked(side: Shown, row: int, mask: Mask, offset: int, prompts: TrackPrompts) -> list[TrackedInstance]:
    if not mask.any():
        return []
    flags = truncation_flags(mask)
    number, prompt = side.ids[row] + offset, side.prompts[row]
    label = prompts.phrases[prompt] if prompt < len(prompts.phrases) else None
    return [TrackedInstance(number, mask, bounding_box(mask), side.scores[row], prompt, label, flags)]
