"""COCO instances: one JSON per split, the frames as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks, number_categories
from workers.datasets.exporters.shared.coco_annotations import to_coco_rle, to_xywh
from workers.datasets.exporters.shared.encoding import encode_json
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
            images: list[dict[str, Any]] = []
            annotations: list[dict[str, Any]] = []
            for video, clip in enumerate(clips, 1):
                licence = licences.get(clip.source.licence)
                images += _write_images(writer, clip, video, first_image, licence)
                annotations += _list_annotations(clip, categories, first_image, len(annotations) + 1)
                first_image += len(clip)
            content = {
                "info": {"description": f"maquette dataset {writer.dataset.version[:12]}, {split}"},
                "licenses": [{"id": number, "name": name, "url": ""} for name, number in licences.items()],
                "images": images,
                "annotations": annotations,
                "categories": [
                    {"id": number, "name": name, "supercategory": "object"}
                    for name, number in categories.items()
                ],
            }
            writer.write(encode_json(content), f"{split}.json")


def _write_images(
    writer: ExportWriter, clip: SceneClip, video: int, first_image: int, licence: int | None
) -> list[dict[str, Any]]:
    """Write the frames of a clip; return their entries."""
    images = []
    for row in clip.frames:
        name = f"{clip.id}-{row.frame:05d}.jpg"
        writer.write(row.jpeg, "images", name)
        images.append(
            {
                "id": first_image + row.frame,
                "file_name": f"images/{name}",
                "height": clip.row.height,
                "width": clip.row.width,
                "video_id": video,
                "clip": clip.id,
                "frame_id": row.frame,
                "license": licence,
            }
        )
    return images


def _list_annotations(
    clip: SceneClip, categories: dict[str, int], first_image: int, first_annotation: int
) -> list[dict[str, Any]]:
    tracks = index_tracks(clip)
    return [
        {
            "id": first_annotation + number,
            "image_id": first_image + row.frame,
            "category_id": categories[get_category_name(tracks[row.track])],
            "segmentation": to_coco_rle(row),
            "bbox": to_xywh(row),
            "area": row.area,
            "iscrowd": 0,
            "track_id": row.track,
            "score": row.score,
        }
        for number, row in enumerate(clip.observations)
    ]


def _number_licences(clips: Sequence[SceneClip]) -> dict[str | None, int]:
    names = sorted({clip.source.licence for clip in clips if clip.source.licence is not None})
    return {name: number for number, name in enumerate(names, 1)}
