"""COCO instances: one JSON per split, the frames as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.part_store import NOTES, Part, encode_notes
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks, number_categories
from workers.datasets.exporters.shared.coco_annotations import to_coco_rle, to_xywh
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class Coco(Exporter):
    """`<split>.json` and `images/`, as pycocotools and every tool for COCO reads them.

    Boxes are left, top, width, height in pixels. Images have `video_id`, `clip` and `frame_id`; annotations
    have `track_id` and `score`.
    """

    name: ClassVar[str] = "coco"
    summary: ClassVar[str] = "COCO instances with RLE masks and track ids"
    loses: ClassVar[tuple[str, ...]] = (
        "cameras, depth, 3D boxes, actions and captions",
        "times, but for the frame's number",
        "negatives: a category without an annotation looks like one that was not asked for",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        categories = number_categories(writer)
        first_image = 1
        for split, clips in writer.clips_by_split().items():
            licences = _number_licences(clips)
            build = partial(_build_part, categories, licences)
            with writer.spool() as images, writer.spool() as annotations:
                for video, (clip, notes) in enumerate(writer.merge_parts(build, clips), 1):
                    for image in notes["images"]:
                        image["id"] += first_image
                        image["video_id"] = video
                        images.add(image)
                    for annotation in notes["annotations"]:
                        annotation["id"] = annotations.count + 1
                        annotation["image_id"] += first_image
                        annotations.add(annotation)
                    first_image += len(clip)
                content = {
                    "info": {"description": f"maquette dataset {writer.dataset.version[:12]}, {split}"},
                    "licenses": [
                        {"id": number, "name": name, "url": ""} for name, number in licences.items()
                    ],
                    "images": images,
                    "annotations": annotations,
                    "categories": [
                        {"id": number, "name": name, "supercategory": "object"}
                        for name, number in categories.items()
                    ],
                }
                writer.write_json(content, f"{split}.json")


def _build_part(categories: dict[str, int], licences: dict[str | None, int], clip: SceneClip) -> Part:
    """The images of a clip and their entries, numbered from 0."""
    licence = licences.get(clip.source.licence)
    names = [f"images/{clip.id}-{row.frame:05d}.jpg" for row in clip.frames]
    images = [
        {
            "id": row.frame,
            "file_name": name,
            "height": clip.row.height,
            "width": clip.row.width,
            "video_id": 0,
            "clip": clip.id,
            "frame_id": row.frame,
            "license": licence,
        }
        for name, row in zip(names, clip.frames, strict=True)
    ]
    notes = {"images": images, "annotations": _list_annotations(clip, categories)}
    files = {name: row.jpeg for name, row in zip(names, clip.frames, strict=True)}
    return {**files, NOTES: encode_notes(notes)}


def _list_annotations(clip: SceneClip, categories: dict[str, int]) -> list[dict[str, Any]]:
    tracks = index_tracks(clip)
    return [
        {
            "id": 0,
            "image_id": row.frame,
            "category_id": categories[get_category_name(tracks[row.track])],
            "segmentation": to_coco_rle(row),
            "bbox": to_xywh(row),
            "area": row.area,
            "iscrowd": 0,
            "track_id": row.track,
            "score": row.score,
        }
        for row in clip.observations
    ]


def _number_licences(clips: Sequence[SceneClip]) -> dict[str | None, int]:
    names = sorted({clip.source.licence for clip in clips if clip.source.licence is not None})
    return {name: number for number, name in enumerate(names, 1)}
