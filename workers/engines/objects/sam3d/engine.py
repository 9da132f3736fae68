"""SAM 3D Objects as an objects engine: upstream in a process of its own, one object a call."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract import Problem
from maquette.contract.capabilities import SAM3D_OBJECTS
from numpy.typing import NDArray

from workers.engines.host.host import EngineHost, HostSpec
from workers.engines.host.startup import start_host
from workers.engines.objects.inputs import check_inputs
from workers.engines.objects.multi_view.from_single_view import reconstruct_from_best_view
from workers.engines.objects.multi_view.views import select_views
from workers.engines.objects.sam3d.cleanup import cap_splat, mesh_from_splat, repair_mesh
from workers.engines.objects.sam3d.coarse import build_coarse_shape
from workers.engines.objects.sam3d.coordinates import (
    OBJECT_FROM_PLY,
    convert_pose,
    fit_camera,
)
from workers.engines.objects.sam3d.errors import (
    LICENCE,
    Sam3dObjectsContractError,
    Sam3dObjectsUnavailable,
)
from workers.engines.objects.sam3d.pointmaps import PYTORCH3D_SIGNS, unproject_depth
from workers.engines.objects.sam3d.settings import CHILD, Sam3dObjectsSettings
from workers.engines.protocols import (
    EngineInfo,
    GenerationControls,
    GroundPlane,
    Mask,
    ObjectAsset,
    RequestRefused,
    Rgb,
)
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

# IoU with the mask below which the result is flagged `low_iou`. Chosen, not measured: weights are gated.
LOW_IOU = 0.7
# IoU by which an optimised pose must fit better to be used. Chosen, not measured.
MIN_POSE_GAIN = 0.01
# Relative difference up to which upstream's three scales count as the one number that they should be.
SCALE_TOLERANCE = 1e-3
# Difference from 1 up to which a normal counts as a unit vector: it is computed in float64.
UNIT_TOLERANCE = 1e-6
NO_GROUND = (
    "no plane was found under 'ground': the mask's bounding box has to cover more than a quarter of the "
    "image, and at least 100 points under it have to be known"
)
Reply = Mapping[str, NDArray[Any]]


class Sam3dObjects:
    """Loads once; the child process is kept between objects and replaced when it fails."""

    def __init__(self, settings: Sam3dObjectsSettings | None = None) -> None:
        """Start and load the child; raises Sam3dObjectsUnavailable or a HostError."""
        self._settings = chosen = settings or Sam3dObjectsSettings()
        config = chosen.config
        if config is None:
            raise Sam3dObjectsUnavailable("no pipeline.yaml is configured")
        if not config.is_file():
            raise Sam3dObjectsUnavailable(f"{config} does not exist")
        self._host = EngineHost(_spec(chosen, config))
        ready = start_host(self._host, Sam3dObjectsUnavailable)
        self.info = EngineInfo(
            name="sam3d_objects",
            kind="objects",
            version=f"sam-3d-objects/{chosen.profile}",
            device=str(ready["device"]),
            licence=f"{LICENCE} (weights and code of SAM 3D Objects)",
            capabilities=SAM3D_OBJECTS,
            limits=(
                "metres are relative unless depth or metric cameras are given",
                "several views place the object and refine its splat; its shape is that of one view",
                "colours are the network's, on vertices: no texture",
            ),
            settings={"profile": chosen.profile},
        )

    def close(self) -> None:
        """Stop the child and free its memory; the next call starts it again."""
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
        """Reconstruct one masked object; `label` is ignored. The object frame is upstream's GLB's, y up.

        Raises ValueError for an empty mask or shapes that do not fit, Sam3dObjectsContractError when
        upstream's answer does not have the recorded form, and a HostError when the child gave none.
        """
        return self.generate(image, mask, GenerationControls(), camera=camera, depth=depth, seed=seed)

    def generate(
        self,
        image: Rgb,
        mask: Mask,
        controls: GenerationControls,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> ObjectAsset:
        """Reconstruct one masked object as the controls say; raises what `reconstruct` does.

        A coarse shape is grey and flagged `coarse`.
        """
        height, width = mask.shape
        fields, arrays, view = _describe_view(image, mask, camera, depth)
        answer = self._host.ask(
            {"task": "object", "seed": seed, "controls": asdict(controls), **fields}, arrays
        )
        reply = answer.arrays
        flags = ["generated"] if depth is not None else ["generated", "scale_not_metric"]
        if view is None:
            view = fit_camera(reply["pointmap"], width, height)
            flags.append("camera_assumed" if view is None else "camera_estimated")
            view = view or Camera.assumed(width, height)
        splat, mesh, asset_flags = _read_coarse(reply) if controls.coarse else _read_assets(reply)
        step = str(answer.fields["memory"])
        flags += asset_flags + ([] if step == "whole" else [f"memory_{step}"])
        pose, iou, pose_flags = _choose_pose(reply, mesh, mask, view)
        flags += pose_flags
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
            # a stated rule, not calibrated: upstream gives no confidence
            confidence=iou,
            silhouette_iou=iou,
            flags=tuple(dict.fromkeys(flags)),
            pointmap=_read_points(reply) if controls.pointmap else None,
        )

    def find_ground(
        self,
        image: Rgb,
        mask: Mask,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        seed: int = 0,
    ) -> GroundPlane:
        """Fit upstream's plane to the points of the floor under `mask` (H, W) bool; `seed` is its RANSAC's.

        Raises RequestRefused `ground_not_found` where upstream finds none, and what `reconstruct` does.
        """
        fields, arrays, _ = _describe_view(image, mask, camera, depth)
        answer = self._host.ask({"task": "ground", "seed": seed, **fields}, arrays)
        if "plane" not in answer.arrays:
            raise RequestRefused(Problem.from_code("ground_not_found", 422, NO_GROUND))
        *normal, offset = answer.arrays["plane"].tolist()
        x, y, z = (PYTORCH3D_SIGNS * normal).tolist()
        if abs(np.linalg.norm(normal) - 1) > UNIT_TOLERANCE or not np.isfinite(offset):
            raise Sam3dObjectsContractError(f"upstream's plane {[*normal, offset]} is no plane")
        return GroundPlane(
            normal=(x, y, z),
            offset=offset,
            scale_source="relative" if depth is None else "metric",
            inlier_share=float(answer.fields["inlier_share"]),
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
        """Reconstruct from the best view and fit to all; see `MultiViewEngine.reconstruct_views`.

        Raises what `reconstruct` does, and RequestRefused `too_few_views`.
        """
        single_view = partial(self.reconstruct, label=label, seed=seed)
        views = select_views(frames, masks, cameras)
        return reconstruct_from_best_view(views, single_view, seed=seed, metric=metric, low_iou=LOW_IOU)


def _describe_view(
    image: Rgb, mask: Mask, camera: Camera | None, depth: NDArray[np.float32] | None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]], Camera | None]:
    """Fields and arrays that describe an image to the child, and its camera; raises as `check_inputs`."""
    check_inputs(image, mask, camera, depth)
    arrays: dict[str, NDArray[Any]] = {"image": np.ascontiguousarray(image), "mask": mask}
    if depth is not None:
        height, width = mask.shape
        view = camera or Camera.assumed(width, height)
        arrays["pointmap"] = unproject_depth(depth, view)
        return {}, arrays, view
    if camera is None:
        return {}, arrays, None
    # what is found among points is reported under this camera: they have to be seen by it
    return {"camera": {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy")}}, arrays, camera


def _read_assets(reply: Reply) -> tuple[Gaussians, Mesh, list[str]]:
    """The splat and the mesh in the object frame, and flags for what had to be done to them."""
    flags = []
    try:
        raw = read_splat_ply(reply["splat"].tobytes())
    except PlyError as error:
        raise Sam3dObjectsContractError(f"upstream's splat cannot be read: {error}") from error
    if not len(raw):
        raise Sam3dObjectsContractError("upstream's splat has no Gaussian that is finite")
    # centres and quaternions are rotated together
    splat, cut = cap_splat(transform(raw, OBJECT_FROM_PLY))
    if cut:
        flags.append("splat_capped")
    try:
        if "vertices" not in reply:
            return splat, mesh_from_splat(splat), [*flags, "mesh_from_splat"]
        mesh, closed = repair_mesh(
            reply["vertices"].astype(np.float64), reply["faces"].astype(np.int64), reply.get("colors")
        )
    except ValueError as error:
        raise Sam3dObjectsContractError(f"upstream's mesh cannot be used: {error}") from error
    return splat, mesh, flags if closed else [*flags, "mesh_open"]


def _read_coarse(reply: Reply) -> tuple[Gaussians, Mesh, list[str]]:
    """The Gaussians and the mesh of the first stage in the object frame, and flags."""
    splat, mesh = build_coarse_shape(reply["voxels"])
    mesh = replace(mesh, vertices=OBJECT_FROM_PLY.apply(mesh.vertices))
    return transform(splat, OBJECT_FROM_PLY), mesh, ["coarse"]


def _read_points(reply: Reply) -> NDArray[np.float32]:
    """The points of the image in OpenCV's camera."""
    points = reply["view_points"]
    if points.ndim != 3 or points.shape[2] != 3:
        raise Sam3dObjectsContractError(f"upstream's point map has the shape {points.shape}")
    return np.asarray(points * PYTORCH3D_SIGNS, dtype=np.float32)


def _choose_pose(reply: Reply, mesh: Mesh, mask: Mask, camera: Camera) -> tuple[Similarity, float, list[str]]:
    """Upstream's pose, or its optimised one where that fits the mask better; with the outline's IoU."""
    pose = _read_pose(reply, "")
    iou = _silhouette_iou(mesh, pose, mask, camera)
    if "optimised_rotation" not in reply:
        return pose, iou, []
    other = _read_pose(reply, "optimised_")
    other_iou = _silhouette_iou(mesh, other, mask, camera)
    if other_iou > iou + MIN_POSE_GAIN:
        return other, other_iou, ["pose_optimised"]
    return pose, iou, ["pose_not_optimised"]


def _read_pose(reply: Reply, prefix: str) -> Similarity:
    rotation, translation, scale = (reply[f"{prefix}{name}"] for name in ("rotation", "translation", "scale"))
    if not all(np.isfinite(part).all() for part in (rotation, translation, scale)):
        raise Sam3dObjectsContractError("upstream's pose is not finite")
    size = float(scale.mean())
    if size <= 0 or np.ptp(scale) > SCALE_TOLERANCE * size or np.linalg.norm(rotation) < 1e-6:
        raise Sam3dObjectsContractError(
            f"upstream's scale {scale.tolist()} or rotation does not have the recorded form"
        )
    return convert_pose(rotation, translation, size)


def _silhouette_iou(mesh: Mesh, pose: Similarity, mask: Mask, camera: Camera) -> float:
    placed = pose.apply(mesh.vertices)
    if placed[:, 2].min() <= 1e-6:
        return 0.0
    return mask_iou(silhouette(placed, mesh.faces, camera), mask)


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
