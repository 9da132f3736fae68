"""SAM 3D Objects as an objects engine: upstream in a process of its own, one object a call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.host.errors import HostRefused
from workers.engines.host.host import EngineHost, HostSpec
from workers.engines.objects.inputs import check_inputs
from workers.engines.objects.multi_view.from_single_view import reconstruct_from_best_view
from workers.engines.objects.multi_view.views import select_views
from workers.engines.objects.sam3d.assets import capped, mesh_of, repaired
from workers.engines.objects.sam3d.errors import (
    LICENCE,
    Sam3dObjectsContract,
    Sam3dObjectsUnavailable,
)
from workers.engines.objects.sam3d.frames import (
    camera_of_pointmap,
    camera_pose,
    canonical_from_ply,
    pointmap_of,
)
from workers.engines.objects.sam3d.settings import CHILD, Sam3dObjectsSettings
from workers.engines.protocols import EngineInfo, Mask, ObjectAsset, Rgb
from workers.formats.ply_header import PlyError
from workers.formats.splat_ply import read_splat_ply
from workers.geometry.borders import touches_border
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians, transform
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.meshes import Mesh
from workers.geometry.overlap import mask_iou
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity

# An outline that misses its mask by more is told.
LOW_IOU = 0.7
# An optimised pose must fit by this much better before it is believed.
BETTER = 0.01
# Upstream's scale has three numbers that are one.
EVEN = 1e-3
Reply = Mapping[str, NDArray[Any]]


class Sam3dObjects:
    """Loads once; the child lives on between objects and is replaced when it fails."""

    def __init__(self, settings: Sam3dObjectsSettings | None = None) -> None:
        """Start and load the child; raises Sam3dObjectsUnavailable or a HostError."""
        self._settings = chosen = settings or Sam3dObjectsSettings()
        config = chosen.config
        if config is None:
            raise Sam3dObjectsUnavailable("no pipeline.yaml is named")
        if not config.is_file():
            raise Sam3dObjectsUnavailable(f"{config} is not there")
        self._host = EngineHost(_spec(chosen, config))
        try:
            ready = self._host.start().fields
        except HostRefused as error:
            self._host.close()
            if error.code == "engine_failed":
                raise
            raise Sam3dObjectsUnavailable(str(error)) from error
        self.info = EngineInfo(
            name="sam3d_objects",
            kind="objects",
            version=f"sam-3d-objects/{chosen.profile}",
            device=str(ready["device"]),
            licence=f"{LICENCE} (weights and code of SAM 3D Objects)",
            capabilities=("single_view", "many_views", "depth", "mesh", "splat", "pose"),
            limits=(
                "metres are relative unless depth or metric cameras are given",
                "several views place the object and refine its splat; its shape is that of one view",
                "colours are the network's, on vertices: no texture",
            ),
        )

    def close(self) -> None:
        """Stop the child and give its memory back; the next call starts it again."""
        self._host.close()

    def reconstruct(
        self,
        image: Rgb,
        mask: Mask,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        label: str | None = None,
        seed: int = 0,
    ) -> ObjectAsset:
        """Lift one masked object; `label` changes nothing. The canonical frame is upstream's GLB, y up.

        Raises ValueError for an empty mask or shapes that do not fit, Sam3dObjectsContract when upstream's
        answer is not what was recorded, and a HostError when the child gave none.
        """
        check_inputs(image, mask, camera, depth)
        height, width = mask.shape
        arrays: dict[str, NDArray[Any]] = {"image": np.ascontiguousarray(image), "mask": mask}
        view = camera
        if depth is not None:
            view = camera or Camera.assumed(width, height)
            arrays["pointmap"] = pointmap_of(depth, view)
        answer = self._host.ask({"seed": seed}, arrays)
        reply = answer.arrays
        flags = ["generated"] if depth is not None else ["generated", "scale_not_metric"]
        if view is None:
            view = camera_of_pointmap(reply["pointmap"], width, height)
            flags.append("camera_assumed" if view is None else "camera_estimated")
            view = view or Camera.assumed(width, height)
        splat, mesh, more = _assets(reply)
        step = str(answer.fields["memory"])
        flags += more + ([] if step == "whole" else [f"memory_{step}"])
        pose, iou, moved = _best_pose(reply, mesh, mask, view)
        flags += moved
        if iou < LOW_IOU:
            flags.append("low_iou")
        if touches_border(mask):
            flags.append("truncated")
        return ObjectAsset(
            mesh=mesh,
            splat=splat,
            pose=pose,
            camera=view,
            scale_source="relative" if depth is None else "metric",
            # a stated rule: upstream gives no confidence of its own
            confidence=iou,
            silhouette_iou=iou,
            flags=tuple(dict.fromkeys(flags)),
        )

    def reconstruct_views(
        self,
        frames: Sequence[Rgb],
        masks: Sequence[Mask],
        cameras: Sequence[PosedCamera],
        *,
        label: str | None = None,
        seed: int = 0,
        metric: bool = False,
    ) -> ObjectAsset:
        """Lift the object of the best view and fit it to all; see `MultiViewEngine.reconstruct_views`.

        Raises what `reconstruct` does, and RequestRefused `too_few_views`.
        """

        def single_view(image: Rgb, mask: Mask, view: PosedCamera) -> ObjectAsset:
            return self.reconstruct(image, mask, camera=view.camera, label=label, seed=seed)

        views = select_views(frames, masks, cameras)
        return reconstruct_from_best_view(views, single_view, seed=seed, metric=metric, low_iou=LOW_IOU)


def _assets(reply: Reply) -> tuple[Gaussians, Mesh, list[str]]:
    """The splat and the mesh in the canonical frame, and what had to be done to them."""
    flags = []
    try:
        raw = read_splat_ply(reply["splat"].tobytes())
    except PlyError as error:
        raise Sam3dObjectsContract(f"upstream's splat cannot be read: {error}") from error
    if not len(raw):
        raise Sam3dObjectsContract("upstream's splat has no Gaussian that is finite")
    # centres and quaternions turn together
    splat, cut = capped(transform(raw, canonical_from_ply()))
    if cut:
        flags.append("splat_capped")
    try:
        if "vertices" not in reply:
            return splat, mesh_of(splat), [*flags, "mesh_from_splat"]
        mesh, closed = repaired(
            reply["vertices"].astype(np.float64), reply["faces"].astype(np.int64), reply.get("colors")
        )
    except ValueError as error:
        raise Sam3dObjectsContract(f"upstream's mesh cannot be used: {error}") from error
    return splat, mesh, flags if closed else [*flags, "mesh_open"]


def _best_pose(reply: Reply, mesh: Mesh, mask: Mask, camera: Camera) -> tuple[Similarity, float, list[str]]:
    """Upstream's pose, or its optimised one where that fits the mask better; with the outline's IoU."""
    pose = _pose(reply, "")
    iou = _iou(mesh, pose, mask, camera)
    if "optimised_rotation" not in reply:
        return pose, iou, []
    other = _pose(reply, "optimised_")
    found = _iou(mesh, other, mask, camera)
    return (other, found, ["pose_optimised"]) if found > iou + BETTER else (pose, iou, ["pose_not_optimised"])


def _pose(reply: Reply, prefix: str) -> Similarity:
    rotation, translation, scale = (reply[f"{prefix}{name}"] for name in ("rotation", "translation", "scale"))
    if not all(np.isfinite(part).all() for part in (rotation, translation, scale)):
        raise Sam3dObjectsContract("upstream's pose is not finite")
    size = float(scale.mean())
    if size <= 0 or np.ptp(scale) > EVEN * size or np.linalg.norm(rotation) < 1e-6:
        raise Sam3dObjectsContract(f"upstream's scale {scale.tolist()} or rotation is not what was recorded")
    return camera_pose(rotation, translation, size)


def _iou(mesh: Mesh, pose: Similarity, mask: Mask, camera: Camera) -> float:
    placed = pose.apply(mesh.vertices)
    if placed[:, 2].min() <= 1e-6:
        return 0.0
    seen = silhouette(placed, mesh.faces, camera)
    return mask_iou(seen, mask)


def _spec(settings: Sam3dObjectsSettings, config: Path) -> HostSpec:
    return HostSpec(
        name="sam3d_objects",
        module=CHILD,
        python=settings.python,
        config={"config": str(config), "profile": settings.profile},
        pythonpath=(str(settings.source),) if settings.source is not None else (),
        environment={"HF_HUB_OFFLINE": "1", "LIDRA_SKIP_INIT": "true"},
        load_seconds=settings.load_seconds,
        request_seconds=settings.request_seconds,
        requests_before_recycle=settings.requests_before_recycle,
    )
