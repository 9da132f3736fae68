"""Hugging Face `datasets`: Parquet of one row a frame, with a card that names features and licences."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter, ExportWriter, get_category_name, index_tracks
from workers.datasets.exporters.typed_parquet import (
    ColumnType,
    ListType,
    StructType,
    TypedColumn,
    encode_parquet,
)
from workers.datasets.scene_clip import SceneClip

PICTURE = StructType((("bytes", "binary"), ("path", "string")))
FLOATS = ListType("float64")
COLUMNS: dict[str, ColumnType] = {
    "clip": "string",
    "frame": "int64",
    "seconds": "float64",
    "image": PICTURE,
    "caption": "string",
    "licence": "string",
    "intrinsics": FLOATS,
    "world_from_cam": FLOATS,
    "tracks": ListType("int64"),
    "labels": ListType("string"),
    "boxes": ListType(FLOATS),
    "masks": ListType("string"),
    "centers": ListType(FLOATS),
    "rotations": ListType(FLOATS),
    "sizes": ListType(FLOATS),
}


@dataclass(frozen=True)
class HuggingFace(Exporter):
    """`data/<split>-00000-of-0000N.parquet` and `README.md`; `load_dataset(folder)` gives pictures.

    boxes are xyxy; masks COCO RLE of the frame's size; intrinsics fx fy cx cy in pixels; world_from_cam 16
    numbers or null; centers, rotations (wxyz) and sizes are of the 3D boxes in camera axes, null where
    unknown.
    """

    rows_a_file: int = 5000

    name: ClassVar[str] = "hf-datasets"
    summary: ClassVar[str] = "Parquet for Hugging Face datasets, one row a frame, with a card"
    loses: ClassVar[tuple[str, ...]] = (
        "depth, actions, reference crops and assets",
        "scores, flags, decisions, lineage, rejected tracks and negatives",
        "boxes in the world: they follow from those in camera axes and the pose",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        counts: dict[str, int] = {}
        for split, clips in writer.by_split().items():
            parts = _parts(clips, self.rows_a_file)
            for number, part in enumerate(parts):
                rows = list(chain.from_iterable(build_rows(clip) for clip in part))
                columns = {
                    name: TypedColumn(kind, [row[name] for row in rows]) for name, kind in COLUMNS.items()
                }
                metadata = {"huggingface": json.dumps({"info": {"features": build_features()}})}
                # small groups: a picture is read with its whole group
                data = encode_parquet(columns, metadata=metadata, rows_a_group=100)
                writer.write(data, "data", f"{split}-{number:05d}-of-{len(parts):05d}.parquet")
                counts[split] = counts.get(split, 0) + len(rows)
        writer.write(_card(writer, counts), "README.md")


def build_rows(clip: SceneClip) -> list[dict[str, Any]]:
    """A row a frame."""
    names = index_tracks(clip)
    caption = next((row.text for row in clip.captions if row.track is None), None)
    base = clip.source.time_base_numerator / clip.source.time_base_denominator
    found = []
    for row, camera in zip(clip.frames, clip.cameras, strict=True):
        seen = clip.frame_observations(row.frame)
        found.append(
            {
                "clip": clip.id,
                "frame": row.frame,
                "seconds": row.pts * base,
                "image": {"bytes": row.jpeg, "path": f"{clip.id}-{row.frame:05d}.jpg"},
                "caption": caption,
                "licence": clip.source.licence,
                "intrinsics": [camera.fx, camera.fy, camera.cx, camera.cy],
                "world_from_cam": camera.world_from_cam,
                "tracks": [item.track for item in seen],
                "labels": [get_category_name(names[item.track]) for item in seen],
                "boxes": [[item.x0, item.y0, item.x1, item.y1] for item in seen],
                "masks": [item.mask_counts for item in seen],
                "centers": [item.center_cam for item in seen],
                "rotations": [item.rotation_cam for item in seen],
                "sizes": [item.size for item in seen],
            }
        )
    return found


def build_features() -> dict[str, Any]:
    """The features as `datasets` writes them in a file's metadata."""
    return {name: _feature(kind) for name, kind in COLUMNS.items()}


def _feature(kind: ColumnType) -> dict[str, Any]:
    if kind is PICTURE:
        return {"_type": "Image"}
    if isinstance(kind, ListType):
        return {"feature": _feature(kind.item), "_type": "List"}
    return {"dtype": kind, "_type": "Value"}


def _parts(clips: Sequence[SceneClip], rows: int) -> list[list[SceneClip]]:
    parts: list[list[SceneClip]] = [[]]
    for clip in clips:
        if parts[-1] and sum(len(other) for other in parts[-1]) + len(clip) > rows:
            parts.append([])
        parts[-1].append(clip)
    return parts


def _card(writer: ExportWriter, counts: dict[str, int]) -> str:
    licences = sorted({clip.source.licence or "unknown" for clip in writer.clips()})
    lines = [
        "---",
        f"license: {licences[0].lower() if len(licences) == 1 else 'other'}",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split in counts:
        # datasets calls this split validation, but takes any name
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += [
        "---",
        "",
        f"# Maquette dataset {writer.dataset.version[:12]}",
        "",
        f"Clips of tracked objects, one row a frame. Licences of the sources: {', '.join(licences)}.",
        "",
        "| split | frames |",
        "|---|---|",
        *(f"| {split} | {count} |" for split, count in counts.items()),
        "",
        "Boxes are xyxy pixels, end-exclusive; masks are COCO compressed RLE; cameras are OpenCV (x right,",
        "y down, z forward), quaternions wxyz. What is unknown is null.",
        "",
        "Not in it:",
        "",
        *(f"- {lost}" for lost in HuggingFace.loses),
        "",
    ]
    return "\n".join(lines)
