"""Hugging Face `datasets`: Parquet of one row a frame, with a card that names features and licences."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter, Run, name_of, tracks_by_id
from workers.datasets.exporters.columns import Column, Kind, ListOf, Struct, write
from workers.datasets.scene_clip import SceneClip

PICTURE = Struct((("bytes", "binary"), ("path", "string")))
FLOATS = ListOf("float64")
COLUMNS: dict[str, Kind] = {
    "clip": "string",
    "frame": "int64",
    "seconds": "float64",
    "image": PICTURE,
    "caption": "string",
    "licence": "string",
    "intrinsics": FLOATS,
    "world_from_cam": FLOATS,
    "tracks": ListOf("int64"),
    "labels": ListOf("string"),
    "boxes": ListOf(FLOATS),
    "masks": ListOf("string"),
    "centers": ListOf(FLOATS),
    "rotations": ListOf(FLOATS),
    "sizes": ListOf(FLOATS),
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

    def export(self, run: Run) -> None:
        """Write the files of the format."""
        counts: dict[str, int] = {}
        for split, clips in run.by_split().items():
            parts = _parts(clips, self.rows_a_file)
            for number, part in enumerate(parts):
                rows = list(chain.from_iterable(rows_of(clip) for clip in part))
                columns = {name: Column(kind, [row[name] for row in rows]) for name, kind in COLUMNS.items()}
                metadata = {"huggingface": json.dumps({"info": {"features": features()}})}
                # small groups: a picture is read with its whole group
                data = write(columns, metadata=metadata, rows_a_group=100)
                run.write(data, "data", f"{split}-{number:05d}-of-{len(parts):05d}.parquet")
                counts[split] = counts.get(split, 0) + len(rows)
        run.write(_card(run, counts), "README.md")


def rows_of(clip: SceneClip) -> list[dict[str, Any]]:
    """A row a frame."""
    names = tracks_by_id(clip)
    caption = next((row.text for row in clip.captions if row.track is None), None)
    base = clip.source.time_base_numerator / clip.source.time_base_denominator
    found = []
    for row, camera in zip(clip.frames, clip.cameras, strict=True):
        seen = clip.observed(row.frame)
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
                "labels": [name_of(names[item.track]) for item in seen],
                "boxes": [[item.x0, item.y0, item.x1, item.y1] for item in seen],
                "masks": [item.mask_counts for item in seen],
                "centers": [item.center_cam for item in seen],
                "rotations": [item.rotation_cam for item in seen],
                "sizes": [item.size for item in seen],
            }
        )
    return found


def features() -> dict[str, Any]:
    """The features as `datasets` writes them in a file's metadata."""
    return {name: _feature(kind) for name, kind in COLUMNS.items()}


def _feature(kind: Kind) -> dict[str, Any]:
    if kind is PICTURE:
        return {"_type": "Image"}
    if isinstance(kind, ListOf):
        return {"feature": _feature(kind.item), "_type": "List"}
    return {"dtype": kind, "_type": "Value"}


def _parts(clips: Sequence[SceneClip], rows: int) -> list[list[SceneClip]]:
    parts: list[list[SceneClip]] = [[]]
    for clip in clips:
        if parts[-1] and sum(len(other) for other in parts[-1]) + len(clip) > rows:
            parts.append([])
        parts[-1].append(clip)
    return parts


def _card(run: Run, counts: dict[str, int]) -> str:
    licences = sorted({clip.source.licence or "unknown" for clip in run.clips()})
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
        f"# Maquette dataset {run.dataset.version[:12]}",
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
