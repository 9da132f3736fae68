"""Reconstructs each object of a video from many views: track, select frames, pose cameras, reconstruct."""

from dataclasses import asdict, dataclass, replace

import numpy as np
from maquette.contract import (
    Manifest,
    MediaRef,
    ObjectFailure,
    ObjectResult,
    ObjectsJob,
    ObjectsResult,
    ObjectViews,
    PromptRef,
)
from numpy.typing import NDArray

from workers.engines.objects.multi_view.registration import register
from workers.engines.protocols import MultiViewEngine, ObjectAsset, RequestRefused
from workers.errors import JobProblem
from workers.formats.overlay import overlay_png
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.jobs.cameras import parse_intrinsics
from workers.jobs.context import JobContext
from workers.jobs.objects.extras import write_object_with_extras
from workers.jobs.objects.plausibility import flag_doubtful_size
from workers.jobs.objects.reconstruction import ReconstructedObject
from workers.jobs.objects.view_selection import (
    SelectedFrames,
    TrackedObject,
    load_tracks,
    resize_area,
    select_frames,
    track_objects,
)
from workers.jobs.segment.instances import InstanceMask


@dataclass(frozen=True, slots=True)
class PosedViews:
    """The selected frames whose cameras are known; `numbers` are their places among the selected."""

    frames: SelectedFrames
    numbers: list[int]
    cameras: list[PosedCamera]


def run(context: JobContext, request: ObjectsJob) -> Manifest:
    """Reconstruct every object of `request.video`, or of the video of an earlier track job."""
    engine = context.engines.objects()
    if not isinstance(engine, MultiViewEngine):
        raise TypeError(f"engine {engine.info.name!r} lists 'many_views' and takes one view")
    context.record_engine(engine.info)
    if request.from_job is None:
        assert request.video is not None
        video_ref = request.video
        tracked = track_objects(context, request, video_ref)
    else:
        earlier = context.load_manifest(request.from_job)
        video_ref = MediaRef(id=earlier.provenance.sources[0])
        tracked = load_tracks(earlier, request.from_job)
    frames = select_frames(context, video_ref, tracked, request.max_views)
    result = ObjectsResult(width=frames.size[0], height=frames.size[1], objects=[])
    if tracked.objects:
        views = _pose_views(context, request, frames)
        for index, item in enumerate(tracked.objects):
            context.progress("lift", index, len(tracked.objects), item.label)
            _add_object(context, request, engine, views, index, item, result)
        context.progress("lift", len(tracked.objects), len(tracked.objects))
    return context.build_manifest(
        result,
        parameters={"text": request.text, "multiview": True, "max_views": request.max_views},
        seed=request.seed,
        reason=None if tracked.objects else "nothing in the video matches the prompts",
        flags=[] if tracked.objects else ["nothing_found"],
        from_job=request.from_job,
    )


def _pose_views(context: JobContext, request: ObjectsJob, frames: SelectedFrames) -> PosedViews:
    """Cameras from the request or from the frames; raises RequestRefused where they cannot be estimated."""
    height, width = frames.images[0].shape[:2]
    full = None if request.camera is None else parse_intrinsics(request.camera, *frames.size)
    camera = None if full is None else full.resized(width, height)
    poses = request.world_from_cam
    if poses is None:
        context.progress("cameras", message="estimating the cameras of the frames")
        cameras = register(frames.images, camera)
    else:
        last = frames.masks[-1].frame
        if len(poses) <= last:
            raise JobProblem(
                "camera_poses_missing",
                f"'world_from_cam' holds {len(poses)} poses, but frame {last} shows an object: give one pose "
                "per frame",
            )
        known = camera or Camera.assumed(width, height)
        cameras = [PosedCamera(known, _invert_pose(np.asarray(poses[frame.frame]))) for frame in frames.masks]
    kept = [(number, view) for number, view in enumerate(cameras) if view is not None]
    return PosedViews(frames, [number for number, _ in kept], [view for _, view in kept])


def _add_object(
    context: JobContext,
    request: ObjectsJob,
    engine: MultiViewEngine,
    views: PosedViews,
    index: int,
    tracked: TrackedObject,
    result: ObjectsResult,
) -> None:
    """Reconstruct one object and add it to the result, or to its failures."""
    frames = views.frames
    try:
        asset = engine.reconstruct_views(
            [frames.images[number] for number in views.numbers],
            [frames.load_mask(number, tracked.id) for number in views.numbers],
            views.cameras,
            label=tracked.label,
            seed=request.seed,
            metric=request.world_from_cam is not None,
        )
    except ValueError as error:
        code = error.problem.code if isinstance(error, RequestRefused) else "object_not_lifted"
        result.failures.append(ObjectFailure(index=index, label=tracked.label, code=code, detail=str(error)))
        return
    result.objects.append(_write_object(context, request, views, index, tracked, asset))


def _write_object(
    context: JobContext,
    request: ObjectsJob,
    views: PosedViews,
    index: int,
    tracked: TrackedObject,
    asset: ObjectAsset,
) -> ObjectResult:
    """Save the object's files and its reference frame, in pixels of the full video."""
    assert asset.views is not None
    frames = views.frames
    number = views.numbers[asset.views.reference]
    reference = frames.masks[number]
    seen = next(item for item in reference.objects if item.id == tracked.id)
    full = replace(asset, camera=asset.camera.resized(*frames.size))
    if request.world_from_cam is not None and request.camera is None:
        full = replace(full, flags=(*asset.flags, "camera_assumed"))
    full = flag_doubtful_size(full, tracked.label)
    instance = InstanceMask(
        mask=seen.mask,
        box=seen.box,
        score=tracked.score,
        label=tracked.label,
        prompt=PromptRef(kind="job", index=tracked.id),
    )
    item = ReconstructedObject(index, f"object-{index:03d}", instance, full)
    image = resize_area(frames.images[number], frames.size[::-1])
    written = write_object_with_extras(context, image, item, request)
    overlay = overlay_png(
        frames.images[number], [frames.load_mask(number, tracked.id)], [tracked.label or f"object {index}"]
    )
    context.save(f"object-{index:03d}-reference.png", "overlay", "image/png", overlay)
    report = ObjectViews.model_validate(
        {**asdict(asset.views), "reference": reference.frame, "track": tracked.id}
    )
    return written.model_copy(update={"views": report})


def _invert_pose(world_from_cam: NDArray[np.float64]) -> Similarity:
    """`cam_from_world` of a rigid motion (4, 4)."""
    return Similarity.from_parts(world_from_cam[:3, :3], world_from_cam[:3, 3]).inverse()
