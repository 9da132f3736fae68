"""The schema of datasets: one frozen dataclass per table, from which Parquet columns and documents are made.

Conventions of every table: OpenCV camera axes (x right, y down, z forward), pixel centres at +0.5, boxes
xyxy end-exclusive, masks COCO compressed RLE, quaternions wxyz, z-depth. An unknown value is null, never
zero. Within one SCHEMA_VERSION a table may only gain nullable columns; anything else raises the version.
"""

from typing import Literal

from workers.datasets.schema.annotations import ActionRow, CaptionRow, ConceptRow
from workers.datasets.schema.changes import ChangeRow
from workers.datasets.schema.columns import ColumnSpec, Floats, Strings, list_columns
from workers.datasets.schema.decisions import REVIEW_GATE, DecisionRow, LineageRow, ScoreRow
from workers.datasets.schema.objects import AssetRow, FeatureRow, ObservationRow, TrackRow
from workers.datasets.schema.tables import TABLES, TableSpec
from workers.datasets.schema.videos import CameraRow, ClipRow, FrameRow, SourceRow

__all__ = [
    "READABLE_VERSIONS",
    "REVIEW_GATE",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TABLES",
    "ActionRow",
    "AssetRow",
    "Box3dSource",
    "CameraRow",
    "CameraSource",
    "CaptionRow",
    "ChangeRow",
    "ClipRow",
    "ColumnSpec",
    "ConceptRow",
    "DecisionRow",
    "FeatureRow",
    "Floats",
    "FrameRow",
    "IntrinsicsSource",
    "LineageRow",
    "ObservationRow",
    "ScoreRow",
    "SourceRow",
    "Split",
    "Strings",
    "TableSpec",
    "TrackRow",
    "list_columns",
]

SCHEMA = "maquette.dataset"
SCHEMA_VERSION = 3
# versions of earlier releases that are still read: columns that they lack are null
READABLE_VERSIONS = (2, SCHEMA_VERSION)

Split = Literal["train", "val", "test"]
CameraSource = Literal["given", "colmap", "static", "unknown"]
IntrinsicsSource = Literal["given", "exif", "colmap", "assumed"]
Box3dSource = Literal["given", "depth", "multiview", "prior"]
