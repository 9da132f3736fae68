"""The tables of a dataset."""

from dataclasses import dataclass
from typing import Any

from workers.datasets.schema.annotations import ActionRow, CaptionRow, ConceptRow
from workers.datasets.schema.changes import ChangeRow
from workers.datasets.schema.decisions import DecisionRow, LineageRow, ScoreRow
from workers.datasets.schema.objects import AssetRow, FeatureRow, ObservationRow, TrackRow
from workers.datasets.schema.videos import CameraRow, ClipRow, FrameRow, SourceRow


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: the class of its rows, whether it has one file per clip or per dataset, and its key.

    `doc` describes a row where another table has rows of the same class.
    """

    name: str
    row: type[Any]
    per_clip: bool
    key: tuple[str, ...]
    doc: str | None = None

    @property
    def description(self) -> str:
        """What a row is."""
        return self.doc or " ".join((self.row.__doc__ or "").split())


TABLES: dict[str, TableSpec] = {
    table.name: table
    for table in (
        TableSpec("sources", SourceRow, per_clip=False, key=("source",)),
        TableSpec("clips", ClipRow, per_clip=False, key=("clip",)),
        TableSpec("tracks", TrackRow, per_clip=False, key=("clip", "track")),
        TableSpec("concepts", ConceptRow, per_clip=False, key=("clip", "phrase")),
        TableSpec("captions", CaptionRow, per_clip=False, key=()),
        TableSpec("assets", AssetRow, per_clip=False, key=("clip", "track", "kind")),
        TableSpec("scores", ScoreRow, per_clip=False, key=()),
        TableSpec("decisions", DecisionRow, per_clip=False, key=()),
        TableSpec("lineage", LineageRow, per_clip=False, key=("clip", "stage")),
        TableSpec("frames", FrameRow, per_clip=True, key=("clip", "frame")),
        TableSpec("cameras", CameraRow, per_clip=True, key=("clip", "frame")),
        TableSpec("observations", ObservationRow, per_clip=True, key=("clip", "frame", "track")),
        TableSpec("features", FeatureRow, per_clip=True, key=()),
        TableSpec(
            "rejected_observations",
            ObservationRow,
            per_clip=True,
            key=("clip", "frame", "track"),
            doc="A rejected track in one frame: what `maquette dataset regate` needs to keep it after all.",
        ),
        TableSpec(
            "rejected_features",
            FeatureRow,
            per_clip=True,
            key=(),
            doc="A reference crop of a rejected track; there are no vectors.",
        ),
        TableSpec("actions", ActionRow, per_clip=True, key=("clip", "frame", "kind")),
        TableSpec(
            "changes",
            ChangeRow,
            per_clip=True,
            key=("clip", "frame", "other_clip", "other_frame", "track", "other_track"),
        ),
    )
}
