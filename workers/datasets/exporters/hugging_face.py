"""Hugging Face `datasets`: Parquet with one row per frame, and a card that names features and licences."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import Annotated, Any, ClassVar

from workers.datasets.changes.measuring import is_changed
from workers.datasets.documents.markdown import choose_licence, escape_markdown
from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ClipSequence, ExportWriter
from workers.datasets.exporters.option_limits import Range
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
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import CameraRow, ChangeRow, FrameRow

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
# of the configuration `changes`, one row per pair of frames
CHANGE_COLUMNS: dict[str, ColumnType] = {
    "clip": "string",
    "frame": "int64",
    "other_clip": "string",
    "other_frame": "int64",
    "source_image": IMAGE,
    "target_image": IMAGE,
    "text": "string",
    "licence": "string",
    "edit": "string",
    "tracks": ListType("int64"),
    "other_tracks": ListType("int64"),
    "labels": ListType("string"),
    "presence": ListType("string"),
    "reasons": ListType("string"),
    "moved": ListType("bool"),
    "translations": ListType(FLOATS),
    "turned": ListType("bool"),
    "degrees": ListType("float64"),
    "axes": ListType(FLOATS),
    "resized": ListType("bool"),
    "factors": ListType("float64"),
    "measured_in": ListType("string"),
    "texts": ListType("string"),
}
# a reader loads the row group of an image to read the image
ROWS_PER_GROUP = 100


@dataclass(frozen=True)
class HuggingFace(Exporter):
    """`data/<split>-00000-of-0000N.parquet` and `README.md`; `load_dataset(folder)` decodes the images.

    `boxes` are x0 y0 x1 y1 in pixels, end-exclusive; `masks` are COCO RLE at the size of the frame;
    `intrinsics` are fx fy cx cy in pixels; `world_from_cam` has 16 numbers, or is null. `centers`,
    `rotations` (wxyz) and `sizes` are those of the 3D boxes in camera axes, null where unknown.

    Of a dataset with the table `changes`, `load_dataset(folder, "changes")` has a row per pair of frames:
    both images, what changed in words (`text`), and the columns of that table as lists, an item per object.
    `edit` is what was done between two renderings of a scene, whose second image is what the edit should look
    like; null for pairs of videos.
    """

    rows_a_file: Annotated[
        int, "frames per file, which are in memory at once; a clip is never split", Range(1, 1_000_000)
    ] = 1000
    changes: Annotated[bool, "also write the pairs of the table changes, where the dataset has it"] = True

    name: ClassVar[str] = "hf-datasets"
    summary: ClassVar[str] = "Parquet for Hugging Face datasets, one row per frame, with a card"
    loses: ClassVar[tuple[str, ...]] = (
        "depth, actions, reference crops and assets",
        "scores, flags, decisions, lineage, rejected tracks and negatives",
        "boxes in the world: they follow from those in camera axes and the pose",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        counts: dict[str, int] = {}
        changes: dict[str, int] = {}
        has_changes = self.changes and bool(writer.dataset.manifest.tables.get("changes"))
        build = partial(_build_part, writer.dataset if has_changes else None)
        for split, clips in writer.clips_by_split().items():
            files = _split_into_files(clips, self.rows_a_file)
            for number, chosen in enumerate(files):
                name = f"{split}-{number:05d}-of-{len(files):05d}.parquet"
                rows: list[dict[str, Any]] = []
                pairs: list[dict[str, Any]] = []
                for _, part in writer.build_parts(build, chosen):
                    own_rows, own_pairs = _read_part(part)
                    rows += own_rows
                    pairs += own_pairs
                writer.write(_encode_rows(rows, COLUMNS), "data", name)
                counts[split] = counts.get(split, 0) + len(rows)
                if has_changes:
                    writer.write(_encode_rows(pairs, CHANGE_COLUMNS), "changes", name)
                    changes[split] = changes.get(split, 0) + len(pairs)
        writer.write(_render_card(writer, counts, changes), "README.md")


def _build_part(dataset: Dataset | None, clip: SceneClip) -> Part:
    """The images of a clip by their paths, and in the notes its rows and pairs of frames without the bytes.

    There are no pairs without `dataset`.
    """
    rows = build_rows(clip)
    pairs = [] if dataset is None else build_change_rows(dataset, clip)
    images = {image["path"]: image.pop("bytes") for row in (*rows, *pairs) for image in _list_images(row)}
    return {**images, NOTES: encode_notes([rows, pairs])}


def _read_part(part: Part) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows and the pairs of a part, with their images."""
    rows, pairs = read_notes(part)
    for row in (*rows, *pairs):
        for image in _list_images(row):
            image["bytes"] = bytes(part[image["path"]])
    return rows, pairs


def _list_images(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [value for value in row.values() if isinstance(value, dict)]


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
        "image": _pack_image(clip, frame.frame),
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


def build_change_rows(dataset: Dataset, clip: SceneClip) -> list[dict[str, Any]]:
    """One row per pair of frames that begins in a clip, with the keys of `CHANGE_COLUMNS`."""
    return [
        _build_change_row(dataset, clip, list(rows))
        for _, rows in groupby(clip.changes, lambda row: (row.frame, row.other_clip, row.other_frame))
    ]


def _build_change_row(dataset: Dataset, clip: SceneClip, rows: list[ChangeRow]) -> dict[str, Any]:
    first = rows[0]
    other = clip if first.other_clip == clip.id else dataset.clip(first.other_clip)
    changed = [row.text for row in rows if is_changed(row)]
    edits = [row.edit for row in rows if row.edit is not None]
    return {
        "clip": clip.id,
        "frame": first.frame,
        "other_clip": other.id,
        "other_frame": first.other_frame,
        "source_image": _pack_image(clip, first.frame),
        "target_image": _pack_image(other, first.other_frame),
        "text": " ".join(changed),
        "licence": clip.source.licence,
        "edit": next((edit for edit in edits if edit != "none"), None),
        "tracks": [row.track for row in rows],
        "other_tracks": [row.other_track for row in rows],
        "labels": [row.label for row in rows],
        "presence": [row.presence for row in rows],
        "reasons": [row.reason for row in rows],
        "moved": [row.moved for row in rows],
        "translations": [row.translation for row in rows],
        "turned": [row.turned for row in rows],
        "degrees": [row.degrees for row in rows],
        "axes": [row.axis for row in rows],
        "resized": [row.resized for row in rows],
        "factors": [row.factor for row in rows],
        "measured_in": [row.measured_in for row in rows],
        "texts": [row.text for row in rows],
    }


def _pack_image(clip: SceneClip, frame: int) -> dict[str, Any]:
    return {"bytes": clip.frames[frame].jpeg, "path": f"{clip.id}-{frame:05d}.jpg"}


def _encode_rows(rows: list[dict[str, Any]], types: Mapping[str, ColumnType]) -> bytes:
    """One file, with the description of its columns that `datasets` reads."""
    metadata = {"huggingface": json.dumps({"info": {"features": describe_features(types)}})}
    columns = {name: TypedColumn(kind, [row[name] for row in rows]) for name, kind in types.items()}
    return encode_parquet(columns, metadata=metadata, rows_per_group=ROWS_PER_GROUP)


def _split_into_files(clips: ClipSequence, most_rows: int) -> list[ClipSequence]:
    """The clips of each file; none is opened for that."""
    bounds, rows = [0], 0
    for place, row in enumerate(clips.rows):
        if rows and rows + row.frames > most_rows:
            bounds.append(place)
            rows = 0
        rows += row.frames
    return [clips[first:last] for first, last in pairwise([*bounds, len(clips)])]


def _render_card(writer: ExportWriter, counts: dict[str, int], changes: dict[str, int]) -> str:
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
    if changes:
        lines += ["- config_name: changes", "  data_files:"]
        for split in changes:
            lines += [f"  - split: {split}", f"    path: changes/{split}-*.parquet"]
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
        *_describe_changes(changes),
        "Boxes are x0 y0 x1 y1 in pixels, end-exclusive; masks are COCO compressed RLE; cameras are OpenCV's",
        "(x right, y down, z forward); quaternions are wxyz. Unknown values are null.",
        "",
        "This export does not contain:",
        "",
        *(f"- {loss}" for loss in HuggingFace.loses),
        "",
    ]
    return "\n".join(lines)


def _describe_changes(changes: dict[str, int]) -> list[str]:
    if not changes:
        return []
    counted = ", ".join(f"{split} {count}" for split, count in changes.items())
    return [f"The configuration `changes` has pairs of frames with what changed between them: {counted}.", ""]
