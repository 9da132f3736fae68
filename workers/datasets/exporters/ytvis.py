"""YouTube-VIS JSON with the additions of SA-Co: noun phrases, and the pairs that make negatives."""

from dataclasses import dataclass
from typing import Any, ClassVar

from workers.datasets.exporters.base import (
    Exporter,
    ExportWriter,
    get_category_name,
    to_coco_rle,
    to_json,
    to_xywh,
)
from workers.datasets.exporters.coco import number_categories
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class YouTubeVis(Exporter):
    """`<split>.json` and `JPEGImages/<clip>/`, as SA-Co/VEval and YouTube-VIS have them."""

    name: ClassVar[str] = "ytvis"
    summary: ClassVar[str] = "YouTube-VIS / SA-Co JSON: masklets with noun phrases, negatives kept"
    loses: ClassVar[tuple[str, ...]] = (
        "cameras, depth, 3D boxes, actions and captions",
        "scores and times",
        "phrases of which a track was found and rejected: they are neither complete nor negative",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        known = number_categories(writer)
        named = [{"id": number, "name": name} for name, number in known.items()]
        for split, clips in writer.by_split().items():
            content: dict[str, Any] = {
                "info": {
                    "version": writer.dataset.version,
                    "description": f"maquette dataset {writer.dataset.version[:12]}, {split}",
                },
                "videos": [],
                "annotations": [],
                "categories": named,
                "video_np_pairs": [],
            }
            for video, clip in enumerate(clips, 1):
                content["videos"].append(self._video(writer, clip, video))
                content["annotations"] += _masklets(clip, video, known, len(content["annotations"]) + 1)
                content["video_np_pairs"] += _pairs(
                    writer, clip, video, known, len(content["video_np_pairs"]) + 1
                )
            writer.write(to_json(content), f"{split}.json")

    def _video(self, writer: ExportWriter, clip: SceneClip, video: int) -> dict[str, Any]:
        names = []
        for row in clip.frames:
            names.append(f"{clip.id}/{row.frame:05d}.jpg")
            writer.write(row.jpeg, "JPEGImages", *names[-1].split("/"))
        return {
            "id": video,
            "video_name": clip.id,
            "file_names": names,
            "height": clip.row.height,
            "width": clip.row.width,
            "length": len(clip),
        }


def _masklets(clip: SceneClip, video: int, known: dict[str, int], first: int) -> list[dict[str, Any]]:
    found = []
    for number, track in enumerate(clip.tracks):
        seen = {row.frame: row for row in clip.track_observations(track.track)}
        name = get_category_name(track)
        frames = [seen.get(frame) for frame in range(len(clip))]
        found.append(
            {
                "id": first + number,
                "video_id": video,
                "category_id": known[name],
                "noun_phrase": name,
                "segmentations": [None if row is None else to_coco_rle(row) for row in frames],
                "bboxes": [None if row is None else to_xywh(row) for row in frames],
                "areas": [None if row is None else row.area for row in frames],
                "iscrowd": 0,
                "height": clip.row.height,
                "width": clip.row.width,
                "track_id": track.track,
            }
        )
    return found


def _pairs(
    writer: ExportWriter, clip: SceneClip, video: int, known: dict[str, int], first: int
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in clip.concepts:
        if row.kept < row.found:
            writer.leave_out(clip, "found but rejected", phrase=row.phrase, rejected=row.found - row.kept)
            continue
        found.append(
            {
                "id": first + len(found),
                "video_id": video,
                "category_id": known[row.phrase],
                "noun_phrase": row.phrase,
                "num_masklets": row.kept,
            }
        )
    return found
