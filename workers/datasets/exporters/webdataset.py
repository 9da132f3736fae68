"""WebDataset: one sample per clip, its frames and depth maps as files, everything else in one JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.shared.tar_shards import LARGEST_SHARD, ShardSizeOption, TarShardWriter
from workers.datasets.scene_clip import SceneClip

# stored as files of the sample
BLOBS = ("jpeg", "depth_png")
TABLES = ("cameras", "tracks", "observations", "actions", "captions", "concepts")


@dataclass(frozen=True)
class WebDataset(Exporter):
    """`<split>-000000.tar` and so on; a sample has `NNNNN.jpg` and `NNNNN.depth.png` per frame, and `json`.

    The JSON has the rows of the record under the names of their tables (see the [schema](schema.md)).
    """

    largest: ShardSizeOption = LARGEST_SHARD

    name: ClassVar[str] = "webdataset"
    summary: ClassVar[str] = "TAR shards, one sample per clip with all annotations as JSON"
    loses: ClassVar[tuple[str, ...]] = (
        "reference crops and assets",
        "scores, decisions and lineage",
        "rejected tracks",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        for split, clips in writer.clips_by_split().items():
            with TarShardWriter(writer, split, self.largest) as shards:
                for clip in clips:
                    shards.write(clip.id, _build_sample(clip))


def _build_sample(clip: SceneClip) -> dict[str, bytes]:
    """The files of a clip by extension."""
    files: dict[str, bytes] = {"json": json.dumps(build_annotations(clip), allow_nan=False).encode()}
    for row in clip.frames:
        files[f"{row.frame:05d}.jpg"] = row.jpeg
        if row.depth_png is not None:
            files[f"{row.frame:05d}.depth.png"] = row.depth_png
    return files


def build_annotations(clip: SceneClip) -> dict[str, Any]:
    """The rows of a clip for JSON, by table."""
    return {
        "clip": asdict(clip.row),
        "source": asdict(clip.source),
        "frames": [
            {key: value for key, value in asdict(row).items() if key not in BLOBS} for row in clip.frames
        ],
        **{table: [asdict(row) for row in getattr(clip, table)] for table in TABLES},
    }
