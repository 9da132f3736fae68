"""COCO instances: one JSON a split, the frames as they are."""

from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter, Run, name_of, rle, to_json, tracks_by_id, xywh
from workers.datasets.scene_clip import SceneClip


def categories(run: Run) -> dict[str, int]:
    """Every name that is used and every phrase that was asked, numbered from 1 in alphabetical order."""
    names = {name_of(track) for clip in run.clips() for track in clip.tracks}
    names |= {row.phrase for clip in run.clips() for row in clip.concepts}
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

    def export(self, run: Run) -> None:
        """Write the files of the format."""
        known = categories(run)
        named = [{"id": number, "name": name, "supercategory": "object"} for name, number in known.items()]
        first = 1
        for split, clips in run.by_split().items():
            images: list[dict[str, Any]] = []
            found: list[dict[str, Any]] = []
            for video, clip in enumerate(clips, 1):
                images += self._images(run, clip, video, first)
                found += self._annotations(clip, known, first, len(found) + 1)
                first += len(clip)
            licences = _licences(clips)
            for image in images:
                image["license"] = licences.get(image.pop("_licence"))
            content = {
                "info": {"description": f"maquette dataset {run.dataset.version[:12]}, {split}"},
                "licenses": [{"id": number, "name": name, "url": ""} for name, number in licences.items()],
                "images": images,
                "annotations": found,
                "categories": named,
            }
            run.write(to_json(content), f"{split}.json")

    def _images(self, run: Run, clip: SceneClip, video: int, first: int) -> list[dict[str, Any]]:
        found = []
        for row in clip.frames:
            name = f"{clip.id}-{row.frame:05d}.jpg"
            run.write(row.jpeg, "images", name)
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
        tracks = tracks_by_id(clip)
        return [
            {
                "id": first + number,
                "image_id": image + row.frame,
                "category_id": known[name_of(tracks[row.track])],
                "segmentation": rle(row),
                "bbox": xywh(row),
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
