"""WebDataset: one sample per clip; frames, depth and ids as files, everything else in one JSON."""

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.encoding import encode_npy
from workers.datasets.exporters.shared.tar_shards import LARGEST_SHARD, ShardSizeOption, TarShardWriter
from workers.datasets.scene_clip import SceneClip

# stored as files of the sample. Depth is no PNG there: image decoders of the library make 8 bits of 16
BLOBS = ("jpeg", "depth_png")
TABLES = ("cameras", "tracks", "observations", "actions", "captions", "concepts")


@dataclass(frozen=True)
class WebDataset(Exporter):
    """`<split>-000000.tar` and so on; a sample has `json`, and per frame `NNNNN.jpg`,
    `NNNNN.segmentation.npy` and, where depth is known, `NNNNN.depth.npy`.

    `depth` f32 (H, W) is z-depth in metres (or units of the world), NaN unknown. `segmentation` (H, W) is the
    track of each pixel, 0 for none; where masks overlap the smaller one is on top. It is u8 in every sample,
    or i32 when a track of the dataset has an id above 255. Both are the same arrays in every decoder of the
    library, `decode("rgb8")` and `decode("torchrgb")` among them. The JSON has the rows of the record under
    the names of their tables (see the [schema](schema.md)), and with them the complete mask of each track as
    COCO RLE.
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
        id_type = _choose_id_type(writer)
        for split, clips in writer.clips_by_split().items():
            with TarShardWriter(writer, split, self.largest) as shards:
                for clip, files in writer.build_parts(partial(_build_sample, id_type=id_type), clips):
                    shards.write(clip.id, files)


def _choose_id_type(writer: ExportWriter) -> DTypeLike:
    """The smallest type that holds the ids of all kept tracks; torch computes with few unsigned ones."""
    largest = max((row.track for row in writer.dataset.iterate("tracks") if row.kept), default=0)
    return np.uint8 if largest <= np.iinfo(np.uint8).max else np.int32


def _build_sample(clip: SceneClip, id_type: DTypeLike) -> Part:
    """The files of a clip by extension."""
    files: dict[str, bytes] = {"json": json.dumps(build_annotations(clip), allow_nan=False).encode()}
    for row in clip.frames:
        files[f"{row.frame:05d}.jpg"] = row.jpeg
        ids = clip.segmentation(row.frame).astype(id_type)
        files[f"{row.frame:05d}.segmentation.npy"] = encode_npy(ids)
        depth = clip.depth(row.frame)
        if depth is not None:
            files[f"{row.frame:05d}.depth.npy"] = encode_npy(depth)
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
