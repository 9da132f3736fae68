"""COCO instances: one JSON a split, the frames as they are."""

from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import (
    Exporter,
    ExportWriter,
    get_category_name,
    index_tracks,
    to_coco_rle,
    to_json,
    to_xywh,
)
from workers.datasets.scene_clip import SceneClip


def number_categories(writer: ExportWriter) -> dict[str, int]:
    """Every name that is used and every phrase that was asked, numbered from 1 in alphabetical order."""
    names = {get_category_name(track) for clip in writer.clips() for track in clip.tracks}
    names |= {row.phrase for clip in writer.clips() for row in clip.concepts}
    return {name: number for number, name in enumerate(sorted(names), 1)}


@dataclass(frozen=True)
class Coco(Exporter):
    """`<split>.json` and `images/`; read by pycocotools and every tool that reads COCO."""

    name: ClassVar[str] = "coco"
    summary: ClassVar[str] = "COCO instances with RLE masks and track ids"
    loses: ClassVar[tuple[str, ...]] = (
        "cameras, depth, 3D boxes, actions and captions",
        "times, but for the frame's number",
        "negatives: a category without an annotation is not told from one nobody asked for",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        known = number_categories(writer)
        named = [{"id": number, "name": name, "supercategory": "object"} for name, number in known.items()]
        first = 1
        for split, clips in writer.by_split().items():
            images: list[dict[str, Any]] = []
            found: list[dict[str, Any]] = []
            for video, clip in enumerate(clips, 1):
                images += self._images(writer, clip, video, first)
                found += self._annotations(clip, known, first, len(found) + 1)
                first += len(clip)
            licences = _licences(clips)
            for image in images:
                image["license"] = licences.get(image.pop("_licence"))
            content = {
                "info": {"description": f"maquette dataset {writer.dataset.version[:12]}, {split}"},
                "licenses": [{"id": number, "name": name, "url": ""} for name, number in licences.items()],
                "images": images,
                "annotations": found,
                "categories": named,
            }
            writer.write(to_json(content), f"{split}.json")

    def _images(self, writer: ExportWriter, clip: SceneClip, video: int, first: int) -> list[dict[str, Any]]:
        found = []
        for row in clip.frames:
            name = f"{clip.id}-{row.frame:05d}.jpg"
            writer.write(row.jpeg, "images", name)
            found.append(
                {
                    "id": first + row.frame,
                    "file_name": f"images/{name}",
                    "height": clip.row.height,
                    "width": clip.row.width,
                    "video_id": video,
                    "clip": clip.id,
                    "frame_id": row.frame,
                    "_licence": clip.source.licence,
                }
            )
        return found

    def _annotations(
        self, clip: SceneClip, known: dict[str, int], image: int, first: int
    ) -> list[dict[str, Any]]:
        tracks = index_tracks(clip)
        return [
            {
                "id": first + number,
                "image_id": image + row.frame,
                "category_id": known[get_category_name(tracks[row.track])],
                "segmentation": to_coco_rle(row),
                "bbox": to_xywh(row),
                "area": row.area,
                "iscrowd": 0,
                "track_id": row.track,
                "score": row.score,
            }
            for number, row in enumerate(clip.observations)
        ]


def _licences(clips: list[SceneClip]) -> dict[str, int]:
    names = sorted({clip.source.licence for clip in clips if clip.source.licence is not None})
    return {name: number for number, name in enumerate(names, 1)}
