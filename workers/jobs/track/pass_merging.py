"""Merges two passes over one video: the backward pass is reversed, the forward pass takes over its ids."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.protocols import FrameResult, TrackedInstance
from workers.formats import rle
from workers.geometry.overlap import mask_iou
from workers.jobs.context import JobContext
from workers.jobs.track.chunked_tracking import TrackingCheckpoint, save_rows
from workers.jobs.track.mask_rows import decode_rows

# Mask IoU on the shared frame from which two tracks of one phrase are one object; chosen, not measured. Both
# passes segment the same frame, so masks of one object are nearly equal.
SAME_OBJECT_IOU = 0.5


def write_backward_pass(
    context: JobContext, checkpoint: TrackingCheckpoint, *, shared_frame: int | None
) -> None:
    """Write the spooled rows in ascending order; the shared frame is left to the forward pass."""
    for sha256 in reversed(checkpoint.spool):
        rows = [row for row in reversed(decode_rows(context.get(sha256))) if row["frame"] != shared_frame]
        save_rows(context, rows, checkpoint)


class TrackIdMapper:
    """Gives the objects of a forward pass the ids that they had in the backward pass.

    Objects of visual prompts have the same ids in both. Objects of phrases are matched by their masks on the
    frame that both passes share (Hungarian algorithm on mask IoU, within one phrase); the others get new ids.
    """

    def __init__(self, context: JobContext, checkpoint: TrackingCheckpoint, highest_prompted: int) -> None:
        """Ids up to `highest_prompted` belong to visual prompts."""
        self._context, self._checkpoint, self._highest_prompted = context, checkpoint, highest_prompted

    def __call__(self, result: FrameResult) -> FrameResult:
        """The result with the ids of both passes together."""
        if self._checkpoint.ids is None:
            self._checkpoint.ids = self._match(result.objects)
        renamed = [replace(item, id=self._map_id(item.id)) for item in result.objects]
        return replace(result, objects=tuple(sorted(renamed, key=lambda item: item.id)))

    def _map_id(self, number: int) -> int:
        checkpoint = self._checkpoint
        assert checkpoint.ids is not None
        if number <= self._highest_prompted:
            return number
        if number not in checkpoint.ids:
            known = (self._highest_prompted, *checkpoint.tracks, *checkpoint.ids.values(), 0)
            checkpoint.ids[number] = max(known) + 1
        return checkpoint.ids[number]

    def _match(self, objects: Sequence[TrackedInstance]) -> dict[int, int]:
        before = [item for item in self._read_shared_frame() if item["id"] > self._highest_prompted]
        after = [item for item in objects if item.id > self._highest_prompted]
        if not before or not after:
            return {}
        masks = [rle.decode_mask(item["mask"]) for item in before]
        overlaps = np.array(
            [
                [
                    mask_iou(new.mask, mask) * (new.prompt == old["prompt"])
                    for mask, old in zip(masks, before, strict=True)
                ]
                for new in after
            ]
        )
        pairs = zip(*linear_sum_assignment(-overlaps), strict=True)
        return {after[a].id: before[b]["id"] for a, b in pairs if overlaps[a, b] >= SAME_OBJECT_IOU}

    def _read_shared_frame(self) -> list[dict[str, Any]]:
        """The objects of the backward pass on the frame that it began with."""
        spool = self._checkpoint.spool
        for row in decode_rows(self._context.get(spool[0])) if spool else ():
            if row["frame"] == self._checkpoint.start:
                objects: list[dict[str, Any]] = row["objects"]
                return objects
        return []
