"""Two passes over one video made one: a backward one turned round, a forward one joined to it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from workers.engines.protocols import FrameResult, TrackedInstance
from workers.formats import rle
from workers.geometry.overlap import mask_iou
from workers.jobs.context import JobContext
from workers.jobs.track.chunked_tracking import Row, TrackingCheckpoint, write

SAME = 0.5


def write_backward_pass(context: JobContext, state: TrackingCheckpoint, *, shared: int | None) -> None:
    """Write the lines of a backward pass in ascending order; frame `shared` is left to the forward pass."""
    for sha256 in reversed(state.spool):
        rows = [row for row in reversed(_rows(context, sha256)) if row["frame"] != shared]
        write(context, rows, state)


class TrackIdMapper:
    """Calls the objects of a forward pass as the backward pass called them.

    Objects that were clicked have the same ids in both. What phrases found is matched by its masks on the
    frame that both passes share (Hungarian, IoU of at least 0.5, one prompt); the rest gets new ids.
    """

    def __init__(self, context: JobContext, state: TrackingCheckpoint, clicked: int) -> None:
        self._context, self._state, self._clicked = context, state, clicked

    def __call__(self, result: FrameResult) -> FrameResult:
        """The result under the ids of the whole."""
        if self._state.ids is None:
            self._state.ids = self._matched(result.objects)
        named = [replace(item, id=self._id(item.id)) for item in result.objects]
        return replace(result, objects=tuple(sorted(named, key=lambda item: item.id)))

    def _id(self, number: int) -> int:
        state = self._state
        assert state.ids is not None
        if number <= self._clicked:
            return number
        if number not in state.ids:
            state.ids[number] = max(self._clicked, *state.tracks, *state.ids.values(), 0) + 1
        return state.ids[number]

    def _matched(self, objects: Sequence[TrackedInstance]) -> dict[int, int]:
        before = [item for item in self._shared() if item["id"] > self._clicked]
        after = [item for item in objects if item.id > self._clicked]
        if not before or not after:
            return {}
        masks = [rle.decode_mask(item["mask"]) for item in before]
        overlaps = np.array(
            [
                [
                    mask_iou(item.mask, mask) * (item.prompt == old["prompt"])
                    for mask, old in zip(masks, before, strict=True)
                ]
                for item in after
            ]
        )
        pairs = zip(*linear_sum_assignment(-overlaps), strict=True)
        return {after[a].id: before[b]["id"] for a, b in pairs if overlaps[a, b] >= SAME}

    def _shared(self) -> list[dict[str, Any]]:
        state = self._state
        for row in _rows(self._context, state.spool[0]) if state.spool else ():
            if row["frame"] == state.start:
                objects: list[dict[str, Any]] = row["objects"]
                return objects
        return []


def _rows(context: JobContext, sha256: str) -> list[Row]:
    return [json.loads(line) for line in context.get(sha256).decode().splitlines()]
