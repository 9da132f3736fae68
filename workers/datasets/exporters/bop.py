"""BOP: scenes of images with object poses in millimetres."""

import io
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.datasets.exporters.base import Exporter, ExportWriter, get_category_name, index_tracks, to_json
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow
from workers.geometry.poses import matrix_from_quaternion

MM = 1000.0
# BOP has pixel centres at whole numbers
CENTRE = 0.5


@dataclass(frozen=True)
class Bop(Exporter):
    """`<split>/NNNNNN/` a clip: rgb, depth, mask_visib, `scene_camera.json`, `scene_gt.json`,
    `scene_gt_info.json`; and `models/models_info.json`, whose sizes are those of the 3D boxes.

    An object is one track of one clip. Its model frame is the box's: origin in the middle, so
    min_x = -size_x / 2. Depth PNGs are the record's own, in units of depth_scale millimetres.
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
        models: dict[str, dict[str, Any]] = {}
        names: dict[str, dict[str, Any]] = {}
        for split, clips in writer.by_split().items():
            for number, clip in enumerate(clips):
                ids = _models(clip, models, names)
                if not ids:
                    writer.leave_out(clip, "no track has a metric 3D box")
                    continue
                self._scene(writer, clip, (split, f"{number:06d}"), ids)
        writer.write(to_json(models), "models", "models_info.json")
        writer.write(to_json(names), "maquette_models.json")

    def _scene(
        self, writer: ExportWriter, clip: SceneClip, folder: tuple[str, str], ids: dict[int, int]
    ) -> None:
        truths: dict[str, Any] = {}
        infos: dict[str, Any] = {}
        cameras: dict[str, Any] = {}
        for row in clip.frames:
            stem = f"{row.frame:06d}"
            writer.write(row.jpeg, *folder, "rgb", f"{stem}.jpg")
            if row.depth_png is not None:
                writer.write(row.depth_png, *folder, "depth", f"{stem}.png")
            cameras[str(row.frame)] = _camera(clip, row.frame, row.depth_unit)
            seen = [
                item for item in clip.frame_observations(row.frame) if item.track in ids and _metric(item)
            ]
            truths[str(row.frame)] = [_truth(item, ids) for item in seen]
            infos[str(row.frame)] = [_info(clip, item) for item in seen]
            for place, item in enumerate(seen):
                writer.write(_png(clip.mask(item)), *folder, "mask_visib", f"{stem}_{place:06d}.png")
        writer.write(to_json(cameras), *folder, "scene_camera.json")
        writer.write(to_json(truths), *folder, "scene_gt.json")
        writer.write(to_json(infos), *folder, "scene_gt_info.json")


def _metric(row: ObservationRow) -> bool:
    return row.center_cam is not None and row.rotation_cam is not None and row.scale_source == "metric"


def _models(
    clip: SceneClip, models: dict[str, dict[str, Any]], names: dict[str, dict[str, Any]]
) -> dict[int, int]:
    """Number the tracks that have a metric box, and add their sizes."""
    ids: dict[int, int] = {}
    known = index_tracks(clip)
    for row in clip.observations:
        if row.track in ids or not _metric(row) or row.size is None:
            continue
        ids[row.track] = len(models) + 1
        size = [edge * MM for edge in row.size]
        models[str(ids[row.track])] = {
            "diameter": float(np.linalg.norm(size)),
            **{f"min_{axis}": -edge / 2 for axis, edge in zip("xyz", size, strict=True)},
            **{f"size_{axis}": edge for axis, edge in zip("xyz", size, strict=True)},
        }
        names[str(ids[row.track])] = {
            "clip": clip.id,
            "track": row.track,
            "name": get_category_name(known[row.track]),
            "box3d_source": row.box3d_source,
        }
    return ids


def _camera(clip: SceneClip, frame: int, unit: float | None) -> dict[str, Any]:
    k = clip.intrinsics(frame)
    k[:2, 2] -= CENTRE
    told: dict[str, Any] = {"cam_K": k.ravel().tolist()}
    if unit is not None:
        told["depth_scale"] = unit * MM
    pose = clip.world_from_cam(frame)
    if pose is not None:
        back = np.linalg.inv(pose)
        told["cam_R_w2c"] = back[:3, :3].ravel().tolist()
        told["cam_t_w2c"] = (back[:3, 3] * MM).tolist()
    return told


def _truth(row: ObservationRow, ids: dict[int, int]) -> dict[str, Any]:
    assert row.center_cam is not None and row.rotation_cam is not None
    return {
        "obj_id": ids[row.track],
        "cam_R_m2c": matrix_from_quaternion(row.rotation_cam).ravel().tolist(),
        "cam_t_m2c": [value * MM for value in row.center_cam],
    }


def _info(clip: SceneClip, row: ObservationRow) -> dict[str, Any]:
    x, y, w, h = (round(v) for v in (row.x0, row.y0, row.x1 - row.x0, row.y1 - row.y0))
    depth = clip.depth(row.frame)
    valid = -1 if depth is None else int(np.isfinite(depth[clip.mask(row)]).sum())
    return {
        "bbox_visib": [x, y, w, h],
        "bbox_obj": [-1, -1, -1, -1],
        "px_count_visib": row.area,
        "px_count_valid": valid,
        "px_count_all": -1,
        "visib_fract": -1.0,
    }


def _png(mask: NDArray[np.bool_]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(data, "PNG")
    return data.getvalue()
