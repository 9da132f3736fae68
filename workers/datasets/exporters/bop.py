"""BOP: scenes of images with object poses in millimetres."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.part_store import NOTES, Part, encode_notes
from workers.datasets.exporters.shared.categories import get_category_name, index_tracks
from workers.datasets.exporters.shared.coco_annotations import to_xywh
from workers.datasets.exporters.shared.encoding import encode_json, encode_png
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

MILLIMETRES_PER_METRE = 1000.0
# BOP has pixel centres at whole numbers, the record at +0.5
PIXEL_CENTRE = 0.5
# what BOP writes for a number that is not known
UNKNOWN = -1


@dataclass(frozen=True)
class Bop(Exporter):
    """`<split>/NNNNNN/` per clip, with `rgb`, `depth`, `mask_visib`, `scene_camera.json`, `scene_gt.json` and
    `scene_gt_info.json`; and `models/models_info.json`, whose sizes are those of the 3D boxes.

    An object is one track of one clip; `maquette_models.json` has its name. The frame of its model is that of
    its 3D box, with the origin in the middle: min_x = -size_x / 2. Lengths are millimetres, axes OpenCV's,
    pixel centres at whole numbers (cx and cy are 0.5 smaller than in the record). Depth PNGs are those of the
    record, in units of `depth_scale` millimetres.
    """

    name: ClassVar[str] = "bop"
    summary: ClassVar[str] = "BOP scenes: poses, cameras and visible masks in millimetres"
    loses: ClassVar[tuple[str, ...]] = (
        "meshes: models have sizes only, so errors that need a surface cannot be computed",
        "masks of hidden parts, and with them visib_fract and px_count_all: -1 is BOP's unknown",
        "tracks without a metric 3D box, times, actions and captions",
        "names, but for `maquette_models.json`",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        with writer.spool("{}") as sizes, writer.spool("{}") as names:
            for split, clips in writer.clips_by_split().items():
                folders = {row.clip: f"{split}/{number:06d}" for number, row in enumerate(clips.rows)}
                for clip, notes in writer.merge_parts(partial(_build_scene, folders), clips):
                    if notes is None:
                        writer.leave_out(clip, "no track has a metric 3D box")
                        continue
                    first = sizes.count + 1
                    for pose in chain.from_iterable(notes["poses"].values()):
                        pose["obj_id"] += first
                    for model in notes["models"]:
                        names.add(model["name"], str(names.count + 1))
                        sizes.add(model["size"], str(sizes.count + 1))
                    writer.write(encode_json(notes["poses"]), folders[clip.id], "scene_gt.json")
            writer.write_json(sizes, "models", "models_info.json")
            writer.write_json(names, "maquette_models.json")


def _build_scene(folders: Mapping[str, str], clip: SceneClip) -> Part:
    """The folder of a clip but for its poses, which are in the notes with the models, numbered from 0.

    Nothing without a model.
    """
    ids, models = _list_models(clip)
    if not ids:
        return {}
    folder = folders[clip.id]
    files: dict[str, bytes] = {}
    poses: dict[str, Any] = {}
    visibilities: dict[str, Any] = {}
    cameras: dict[str, Any] = {}
    for row in clip.frames:
        stem = f"{row.frame:06d}"
        files[f"{folder}/rgb/{stem}.jpg"] = row.jpeg
        if row.depth_png is not None:
            files[f"{folder}/depth/{stem}.png"] = row.depth_png
        cameras[str(row.frame)] = _describe_camera(clip, row.frame, row.depth_unit)
        observations = [
            item for item in clip.frame_observations(row.frame) if item.track in ids and _has_metric_box(item)
        ]
        poses[str(row.frame)] = [_describe_pose(item, ids) for item in observations]
        visibilities[str(row.frame)] = [_describe_visibility(clip, item) for item in observations]
        for place, item in enumerate(observations):
            mask = clip.mask(item).astype(np.uint8) * 255
            files[f"{folder}/mask_visib/{stem}_{place:06d}.png"] = encode_png(mask)
    files[f"{folder}/scene_camera.json"] = encode_json(cameras).encode()
    files[f"{folder}/scene_gt_info.json"] = encode_json(visibilities).encode()
    return {**files, NOTES: encode_notes({"poses": poses, "models": models})}


def _has_metric_box(row: ObservationRow) -> bool:
    return row.center_cam is not None and row.rotation_cam is not None and row.scale_source == "metric"


def _list_models(clip: SceneClip) -> tuple[dict[int, int], list[dict[str, Any]]]:
    """The numbers of the tracks that have a metric box, from 0, and their sizes and names."""
    ids: dict[int, int] = {}
    models: list[dict[str, Any]] = []
    tracks = index_tracks(clip)
    for row in clip.observations:
        if row.track in ids or not _has_metric_box(row) or row.size is None:
            continue
        ids[row.track] = len(models)
        lengths = [length * MILLIMETRES_PER_METRE for length in row.size]
        size = {
            "diameter": float(np.linalg.norm(lengths)),
            **{f"min_{axis}": -length / 2 for axis, length in zip("xyz", lengths, strict=True)},
            **{f"size_{axis}": length for axis, length in zip("xyz", lengths, strict=True)},
        }
        name = {
            "clip": clip.id,
            "track": row.track,
            "name": get_category_name(tracks[row.track]),
            "box3d_source": row.box3d_source,
        }
        models.append({"size": size, "name": name})
    return ids, models


def _describe_camera(clip: SceneClip, frame: int, depth_unit: float | None) -> dict[str, Any]:
    """An entry of `scene_camera.json`."""
    intrinsics = clip.intrinsics(frame)
    intrinsics[:2, 2] -= PIXEL_CENTRE
    camera: dict[str, Any] = {"cam_K": intrinsics.ravel().tolist()}
    if depth_unit is not None:
        camera["depth_scale"] = depth_unit * MILLIMETRES_PER_METRE
    world_from_cam = clip.world_from_cam(frame)
    if world_from_cam is not None:
        cam_from_world = np.linalg.inv(world_from_cam)
        camera["cam_R_w2c"] = cam_from_world[:3, :3].ravel().tolist()
        camera["cam_t_w2c"] = (cam_from_world[:3, 3] * MILLIMETRES_PER_METRE).tolist()
    return camera


def _describe_pose(row: ObservationRow, ids: dict[int, int]) -> dict[str, Any]:
    """An entry of `scene_gt.json`."""
    assert row.center_cam is not None and row.rotation_cam is not None
    return {
        "obj_id": ids[row.track],
        "cam_R_m2c": matrix_from_quaternion(row.rotation_cam).ravel().tolist(),
        "cam_t_m2c": [value * MILLIMETRES_PER_METRE for value in row.center_cam],
    }


def _describe_visibility(clip: SceneClip, row: ObservationRow) -> dict[str, Any]:
    """An entry of `scene_gt_info.json`."""
    depth = clip.depth(row.frame)
    valid = UNKNOWN if depth is None else int(np.isfinite(depth[clip.mask(row)]).sum())
    return {
        "bbox_visib": [round(value) for value in to_xywh(row)],
        "bbox_obj": [UNKNOWN] * 4,
        "px_count_visib": row.area,
        "px_count_valid": valid,
        "px_count_all": UNKNOWN,
        "visib_fract": float(UNKNOWN),
    }
