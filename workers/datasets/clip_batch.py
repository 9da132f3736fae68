"""What the stages of a clip hand on to each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workers.datasets.cameras.clip_camera import ClipCamera
from workers.datasets.clip_frames import ClipFrame
from workers.datasets.observations import TrackedClip, TrackObservation
from workers.datasets.oriented_boxes import Box3d
from workers.datasets.records import ClipRecord
from workers.datasets.schema import ClipRow, TrackRow
from workers.datasets.tasks import ClipTask


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipBatch:
    """One clip on its way through the stages; each returns a copy that holds more.

    A batch is the frames of one clip (docs/adr/0009). `frames` is a stream that is read once: the executor
    opens it, tracking adds results to it, and measuring reads it. What measuring and later stages add
    stays: `boxes` by track and frame, `rows` by table, and in the end `record`.
    """

    task: ClipTask
    frames: Iterator[ClipFrame] = field(default_factory=lambda: iter(()))
    tracked: TrackedClip = field(default_factory=TrackedClip)
    camera: ClipCamera | None = None
    boxes: Mapping[int, Mapping[int, Box3d]] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    record: ClipRecord | None = None

    def with_rows(self, **tables: Sequence[Any]) -> "ClipBatch":
        """The batch with rows of more tables, or others for tables that it has."""
        return replace(self, rows={**self.rows, **tables})

    @property
    def clip(self) -> str:
        """The clip's id."""
        return self.task.plan.id

    @property
    def clip_row(self) -> ClipRow:
        """The row of `clips` as far as it is known."""
        row: ClipRow = self.rows["clips"][0]
        return row

    @property
    def kept_tracks(self) -> list[tuple[TrackRow, Sequence[TrackObservation]]]:
        """The tracks that passed the gates, with their observations."""
        return self._list_tracks(kept=True)

    @property
    def rejected_tracks(self) -> list[tuple[TrackRow, Sequence[TrackObservation]]]:
        """The others."""
        return self._list_tracks(kept=False)

    def _list_tracks(self, *, kept: bool) -> list[tuple[TrackRow, Sequence[TrackObservation]]]:
        rows: Sequence[TrackRow] = self.rows["tracks"]
        return [(row, self.tracked.observations[row.track]) for row in rows if row.kept == kept]
