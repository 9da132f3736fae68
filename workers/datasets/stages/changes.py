"""Measures what changed between pairs of frames of a clip."""

from collections.abc import Mapping
from typing import Any

from workers.datasets.changes.choosing import choose_pairs
from workers.datasets.changes.frame_state import ClipStates
from workers.datasets.changes.measuring import compare_frames
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.stages.base import ClipStage


class ChangeStage(ClipStage):
    """Adds the rows of `changes`, of up to so many pairs per clip."""

    name = "changes"
    version = "2"

    def __init__(self, pairs: int) -> None:
        self._pairs = pairs

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The number of pairs."""
        return {"pairs": self._pairs}

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Compare the frames of each pair."""
        rows = batch.rows
        states = ClipStates(batch.clip_row, rows["tracks"], rows["observations"], rows["cameras"])
        pairs = choose_pairs(len(states.cameras), self._pairs)
        return batch.with_rows(changes=compare_frames(states, pairs))
