"""Hugging Face `datasets`: Parquet with one row per frame, and a card that names features and licences."""

import json
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Annotated, Any, ClassVar

from workers.datasets.documents.markdown import choose_licence, escape_markdown
from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ClipSequence, ExportWriter
from workers.datasets.exporters.part_store import NOTES, Part, encode_notes, read_notes
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks
from workers.datasets.exporters.shared.typed_parquet import (
    IMAGE,
    ColumnType,
    ListType,
    TypedColumn,
    describe_features,
    encode_parquet,
)
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import CameraRow, FrameRow

FLOATS = ListType("float64")
COLUMNS: dict[str, ColumnType] = {
    "clip": "string",
    "frame": "int64",
    "seconds": "float64",
    "image": IMAGE,
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
# a reader loads the row group of an image to read the image
ROWS_PER_GROUP = 100


@dataclass(frozen=True)
class HuggingFace(Exporter):
    """`data/<split>-00000-of-0000N.parquet` and `README.md`; `load_dataset(folder)` decodes the images.

    `boxes` are x0 y0 x1 y1 in pixels, end-exclusive; `masks` are COCO RLE at the size of the frame;
    `intrinsics` are fx fy cx cy in pixels; `world_from_cam` has 16 numbers, or is null. `centers`,
    `rotations` (wxyz) and `sizes` are those of the 3D boxes in camera axes, null where unknown.
    """

    rows_a_file: Annotated[int, "frames per file, which are in memory at once; a clip is never split"] = 1000

    name: ClassVar[str] = "hf-datasets"
    summary: ClassVar[str] = "Parquet for Hugging Face datasets, one row per frame, with a card"
    loses: ClassVar[tuple[str, ...]] = (
        "depth, actions, reference crops and assets",
        "scores, flags, decisions, lineage, rejected tracks and negatives",
        "boxes in the world: they follow from those in camera axes and the pose",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        metadata = {"huggingface": json.dumps({"info": {"features": describe_features(COLUMNS)}})}
        counts: dict[str, int] = {}
        for split, clips in writer.clips_by_split().items():
            files = _split_into_files(clips, self.rows_a_file)
            for number, chosen in enumerate(files):
                parts = writer.build_parts(_build_part, chosen)
                rows = list(chain.from_iterable(_read_rows(part) for _, part in parts))
                columns = {
                    name: TypedColumn(kind, [row[name] for row in rows]) for name, kind in COLUMNS.items()
                }
                data = encode_parquet(columns, metadata=metadata, rows_per_group=ROWS_PER_GROUP)
                writer.write(data, "data", f"{split}-{number:05d}-of-{len(files):05d}.parquet")
                counts[split] = counts.get(split, 0) + len(rows)
        writer.write(_render_card(writer, counts), "README.md")


def _build_part(clip: SceneClip) -> Part:
    """The images of a clip by their paths, and its rows without their bytes."""
    rows = build_rows(clip)
    images = {row["image"]["path"]: row["image"].pop("bytes") for row in rows}
    return {**images, NOTES: encode_notes(rows)}


def _read_rows(part: Part) -> list[dict[str, Any]]:
    """The rows of a part with their images."""
    rows: list[dict[str, Any]] = read_notes(part)
    for row in rows:
        row["image"]["bytes"] = bytes(part[row["image"]["path"]])
    return rows


def build_rows(clip: SceneClip) -> list[dict[str, Any]]:
    """One row per frame, with the keys of `COLUMNS`."""
    return [_build_row(clip, frame, camera) for frame, camera in zip(clip.frames, clip.cameras, strict=True)]


def _build_row(clip: SceneClip, frame: FrameRow, camera: CameraRow) -> dict[str, Any]:
    names = index_tracks(clip)
    observations = clip.frame_observations(frame.frame)
    time_base = clip.source.time_base_numerator / clip.source.time_base_denominator
    return {
        "clip": clip.id,
        "frame": frame.frame,
        "seconds": frame.pts * time_base,
        "image": {"bytes": frame.jpeg, "path": f"{clip.id}-{frame.frame:05d}.jpg"},
        "caption": clip.caption,
        "licence": clip.source.licence,
        "intrinsics": [camera.fx, camera.fy, camera.cx, camera.cy],
        "world_from_cam": camera.world_from_cam,
        "tracks": [item.track for item in observations],
        "labels": [get_category_name(names[item.track]) for item in observations],
        "boxes": [[item.x0, item.y0, item.x1, item.y1] for item in observations],
        "masks": [item.mask_counts for item in observations],
        "centers": [item.center_cam for item in observations],
        "rotations": [item.rotation_cam for item in observations],
        "sizes": [item.size for item in observations],
    }


def _split_into_files(clips: ClipSequence, most_rows: int) -> list[ClipSequence]:
    """The clips of each file; none is opened for that."""
    bounds, rows = [0], 0
    for place, row in enumerate(clips.rows):
        if rows and rows + row.frames > most_rows:
            bounds.append(place)
            rows = 0
        rows += row.frames
    return [clips[first:last] for first, last in pairwise([*bounds, len(clips)])]


def _render_card(writer: ExportWriter, counts: dict[str, int]) -> str:
    licences = {clip.source.licence for clip in writer.clips()}
    listed = ", ".join(sorted(escape_markdown(licence or "unknown") for licence in licences))
    lines = [
        "---",
        f"license: {choose_licence(licences)}",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split in counts:
        # `datasets` usually says validation for val, but accepts any name
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += [
        "---",
        "",
        f"# Maquette dataset {writer.dataset.version[:12]}",
        "",
        f"Clips of tracked objects, one row per frame. Licences of the sources: {listed}.",
        "",
        "| split | frames |",
        "|---|---|",
        *(f"| {split} | {count} |" for split, count in counts.items()),
        "",
        "Boxes are x0 y0 x1 y1 in pixels, end-exclusive; masks are COCO compressed RLE; cameras are OpenCV's",
        "(x right, y down, z forward); quaternions are wxyz. Unknown values are null.",
        "",
        "This export does not contain:",
        "",
        *(f"- {loss}" for loss in HuggingFace.loses),
        "",
    ]
    return "\n".join(lines)
