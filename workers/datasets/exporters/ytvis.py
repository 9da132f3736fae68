"""YouTube-VIS JSON with the additions of SA-Co: noun phrases, and the pairs that make negatives."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.part_store import NOTES, Part, encode_notes
from workers.datasets.exporters.shared.categories import get_category_name, number_categories
from workers.datasets.exporters.shared.coco_annotations import to_coco_rle, to_xywh
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class YouTubeVis(Exporter):
    """`<split>.json` and `JPEGImages/<clip>/`, as YouTube-VIS and SA-Co/VEval have them.

    `video_np_pairs` has every phrase of the job for every video, with `num_masklets: 0` for negatives. A
    phrase of which a track was found and rejected has no pair: it is neither complete nor absent.
    """

    name: ClassVar[str] = "ytvis"
    summary: ClassVar[str] = "YouTube-VIS / SA-Co JSON: masklets with noun phrases, negatives kept"
    loses: ClassVar[tuple[str, ...]] = (
        "cameras, depth, 3D boxes, actions and captions",
        "scores and times",
        "phrases of which a track was found and rejected: they are neither complete nor negative",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        categories = number_categories(writer)
        build = partial(_build_part, categories)
        for split, clips in writer.clips_by_split().items():
            with writer.spool() as videos, writer.spool() as annotations, writer.spool() as pairs:
                for clip, notes in writer.merge_parts(build, clips):
                    video = videos.count + 1
                    videos.add({**notes["video"], "id": video})
                    for masklet in notes["masklets"]:
                        annotations.add({**masklet, "id": annotations.count + 1, "video_id": video})
                    for pair in _list_phrase_pairs(writer, clip, video, categories):
                        pairs.add({**pair, "id": pairs.count + 1})
                content: dict[str, Any] = {
                    "info": {
                        "version": writer.dataset.version,
                        "description": f"maquette dataset {writer.dataset.version[:12]}, {split}",
                    },
                    "videos": videos,
                    "annotations": annotations,
                    "categories": [{"id": number, "name": name} for name, number in categories.items()],
                    "video_np_pairs": pairs,
                }
                writer.write_json(content, f"{split}.json")


def _build_part(categories: dict[str, int], clip: SceneClip) -> Part:
    """The images of a clip, and its entries without their numbers."""
    names = [f"{clip.id}/{row.frame:05d}.jpg" for row in clip.frames]
    video = {
        "id": 0,
        "video_name": clip.id,
        "file_names": names,
        "height": clip.row.height,
        "width": clip.row.width,
        "length": len(clip),
    }
    notes = {"video": video, "masklets": _list_masklets(clip, categories)}
    files = {f"JPEGImages/{name}": row.jpeg for name, row in zip(names, clip.frames, strict=True)}
    return {**files, NOTES: encode_notes(notes)}


def _list_masklets(clip: SceneClip, categories: dict[str, int]) -> list[dict[str, Any]]:
    masklets = []
    for track in clip.tracks:
        by_frame = {row.frame: row for row in clip.track_observations(track.track)}
        rows = [by_frame.get(frame) for frame in range(len(clip))]
        name = get_category_name(track)
        masklets.append(
            {
                "id": 0,
                "video_id": 0,
                "category_id": categories[name],
                "noun_phrase": name,
                "segmentations": [None if row is None else to_coco_rle(row) for row in rows],
                "bboxes": [None if row is None else to_xywh(row) for row in rows],
                "areas": [None if row is None else row.area for row in rows],
                "iscrowd": 0,
                "height": clip.row.height,
                "width": clip.row.width,
                "track_id": track.track,
            }
        )
    return masklets


def _list_phrase_pairs(
    writer: ExportWriter, clip: SceneClip, video: int, categories: dict[str, int]
) -> list[dict[str, Any]]:
    pairs: list[dict[str, Any]] = []
    for row in clip.concepts:
        if row.kept < row.found:
            writer.leave_out(clip, "found but rejected", phrase=row.phrase, rejected=row.found - row.kept)
            continue
        pairs.append(
            {
                "id": 0,
                "video_id": video,
                "category_id": categories[row.phrase],
                "noun_phrase": row.phrase,
                "num_masklets": row.kept,
            }
        )
    return pairs
