"""WebDataset: one sample a clip, its frames and depth as files, everything else in one JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter, ExportWriter
from workers.datasets.exporters.tar_shards import LARGEST, TarShardWriter
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class WebDataset(Exporter):
    """`<split>-000000.tar` and on; a sample has `NNNNN.jpg`, `NNNNN.depth.png` and `json`.

    The JSON holds the record's rows under their table's names (docs/schema.md), without the blobs.
    """

    largest: int = LARGEST

    name: ClassVar[str] = "webdataset"
    summary: ClassVar[str] = "TAR shards, one sample a clip with all annotations as JSON"
    loses: ClassVar[tuple[str, ...]] = (
        "reference crops and assets",
        "scores, decisions and lineage",
        "rejected tracks",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        for split, clips in writer.by_split().items():
            with TarShardWriter(writer, split, self.largest) as shards:
                for clip in clips:
                    files: dict[str, bytes] = {
                        "json": json.dumps(build_sample(clip), allow_nan=False).encode()
                    }
                    for row in clip.frames:
                        files[f"{row.frame:05d}.jpg"] = row.jpeg
                        if row.depth_png is not None:
                            files[f"{row.frame:05d}.depth.png"] = row.depth_png
                    shards.write(clip.id, files)


def build_sample(clip: SceneClip) -> dict[str, Any]:
    """The rows of a clip as JSON has them."""
    frames = [
        {key: value for key, value in asdict(row).items() if key not in ("jpeg", "depth_png")}
        for row in clip.frames
    ]
    return {
        "clip": asdict(clip.row),
        "source": asdict(clip.source),
        "frames": frames,
        **{
            table: [asdict(row) for row in getattr(clip, table)]
            for table in ("cameras", "tracks", "observations", "actions", "captions", "concepts")
        },
    }
