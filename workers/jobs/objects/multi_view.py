"""Objects of a video, each from many views: tracked, frames chosen, cameras found, then lifted."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
from maquette.contract import (
    Artefact,
    Manifest,
    MediaRef,
    ObjectFailure,
    ObjectResult,
    ObjectsJob,
    ObjectsResult,
    ObjectViews,
    PromptRef,
    TrackJob,
    TrackResult,
)
from numpy.typing import NDArray

from workers.engines.objects.multi_view.registration import register
from workers.engines.protocols import Mask, MultiViewEngine, RequestRefused, Rgb, ViewsReport
from workers.errors import JobProblem
from workers.formats.overlay import overlay_png
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.jobs.cameras import parse_intrinsics
from workers.jobs.context import JobContext
from workers.jobs.objects.extras import write_extras
from workers.jobs.objects.reconstruction import ReconstructedObject, write_object
from workers.jobs.segment.instances import InstanceMask
from workers.jobs.track.chunked_tracking import TrackingCheckpoint, parse_checkpoint, track_in_chunks
from workers.jobs.track.mask_reader import FrameMasks, read_frames
from workers.jobs.track.prompts import build_track_prompts

LONG_SIDE = 1024


@dataclass(frozen=True, slots=True)
class TrackedVideo:
    """What tracking came to: where its masks are, and each track's label and mean score."""

    masks: Sequence[Artefact]
    tracks: dict[int, tuple[str | None, float | None]]


@dataclass(frozen=True, slots=True)
class SelectedViews:
    """Frames of a video that are looked at, at most `LONG_SIDE` pixels long, and what was found in them."""

    lines: list[FrameMasks]
    frames: list[Rgb]
    size: tuple[int, int]

    def mask(self, number: int, track: int) -> Mask:
        """The mask (H, W) of a track in a chosen frame, empty where it is not seen."""
        shape = self.frames[number].shape[:2]
        for seen in self.lines[number].objects:
            if seen.id == track:
                return _resized(seen.mask.astype(np.uint8) * np.uint8(255), shape) >= 128
        return np.zeros(shape, dtype=np.bool_)


def run(context: JobContext, request: ObjectsJob) -> Manifest:
    """Lift every object of `request.video`, or of the video that an earlier track job followed."""
    engine = context.engines.objects()
    if not isinstance(engine, MultiViewEngine):
        raise JobProblem(
            "multiview_unsupported", f"engine {engine.info.name!r} takes one view: ask for engine 'default'"
        )
    context.record_engine(engine.info)
    earlier = None if request.from_job is None else context.load_manifest(request.from_job)
    ref = request.video if earlier is None else MediaRef(id=earlier.provenance.sources[0])
    assert ref is not None
    followed = _tracked(context, request, ref) if earlier is None else _followed(earlier, request)
    chosen = _choose(context, ref, followed, request.max_views)
    result = ObjectsResult(width=chosen.size[0], height=chosen.size[1], objects=[])
    if followed.tracks:
        cameras = _cameras(context, request, chosen)
        _lift_all(context, request, engine, followed, chosen, cameras, result)
    return context.build_manifest(
        result,
        parameters={"text": request.text, "multiview": True, "max_views": request.max_views},
        seed=request.seed,
        reason=None if followed.tracks else "nothing in the video matches the prompts",
        flags=[] if followed.tracks else ["nothing_found"],
        from_job=request.from_job,
    )


def _followed(earlier: Manifest, request: ObjectsJob) -> TrackedVideo:
    if not isinstance(earlier.result, TrackResult):
        raise JobProblem("source_wrong_kind", f"job {request.from_job} is no track job: it has one view")
    tracks = {track.id: (track.label, track.mean_score) for track in earlier.result.tracks}
    return TrackedVideo(earlier.artefacts, tracks)


def _tracked(context: JobContext, request: ObjectsJob, ref: MediaRef) -> TrackedVideo:
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    engine.check(request.text)
    stored = context.job.checkpoint
    state = TrackingCheckpoint() if stored is None else parse_checkpoint(stored)
    context.restore_artefacts(state.chunks)
    asked = TrackJob(
        video=ref,
        text=request.text,
        boxes=request.boxes,
        points=request.points,
        threshold=request.threshold,
        thresholds=request.thresholds,
    )
    video = context.media.open_video(ref, start=max(state.decoded - 1, 0))
    with closing(video.frames):
        prompts = build_track_prompts(asked, 0, video.width, video.height)
        track_in_chunks(
            context, video, prompts, None, state, lambda state: context.save_checkpoint(asdict(state))
        )
    tracks = {
        number: (item.label, item.scores / item.frames if item.frames else None)
        for number, item in sorted(state.tracks.items())
    }
    return TrackedVideo([Artefact.model_validate(item) for item in state.chunks], tracks)


def _choose(context: JobContext, ref: MediaRef, followed: TrackedVideo, count: int) -> SelectedViews:
    """Frames evenly spread over those in which something is seen."""
    shown = [line.frame for line in read_frames(context, followed.masks) if line.objects]
    wanted = {shown[k] for k in np.linspace(0, len(shown) - 1, min(count, len(shown))).round().astype(int)}
    lines = [line for line in read_frames(context, followed.masks) if line.frame in wanted]
    context.progress("views", 0, len(wanted))
    video = context.media.open_video(ref)
    frames = []
    # read to the end: a decoder that is stopped on the way has to be started again
    for frame in video.frames:
        if frame.index in wanted:
            frames.append(_shrunk(frame.pixels))
    return SelectedViews(lines, frames, (video.width, video.height))


def _cameras(context: JobContext, request: ObjectsJob, chosen: SelectedViews) -> list[PosedCamera | None]:
    """Posed cameras of the chosen frames; raises RequestRefused where they cannot be found."""
    height, width = chosen.frames[0].shape[:2]
    known = None if request.camera is None else parse_intrinsics(request.camera, *chosen.size)
    sized = None if known is None else known.resized(width, height)
    poses = request.world_from_cam
    if poses is None:
        context.progress("cameras", message="finding the cameras of the frames")
        return register(chosen.frames, sized)
    if len(poses) <= chosen.lines[-1].frame:
        raise JobProblem(
            "camera_poses_missing",
            f"'world_from_cam' holds {len(poses)} poses, frame {chosen.lines[-1].frame} has an object: "
            "give one for each frame",
        )
    camera = sized or Camera.assumed(width, height)
    return [PosedCamera(camera, _cam_from_world(np.asarray(poses[line.frame]))) for line in chosen.lines]


def _lift_all(
    context: JobContext,
    request: ObjectsJob,
    engine: MultiViewEngine,
    followed: TrackedVideo,
    chosen: SelectedViews,
    cameras: list[PosedCamera | None],
    result: ObjectsResult,
) -> None:
    kept = [(number, view) for number, view in enumerate(cameras) if view is not None]
    frames = [chosen.frames[number] for number, _ in kept]
    for index, (track, (label, score)) in enumerate(followed.tracks.items()):
        context.progress("lift", index, len(followed.tracks), label)
        masks = [chosen.mask(number, track) for number, _ in kept]
        try:
            asset = engine.reconstruct_views(
                frames,
                masks,
                [view for _, view in kept],
                label=label,
                seed=request.seed,
                metric=request.world_from_cam is not None,
            )
        except ValueError as error:
            code = error.problem.code if isinstance(error, RequestRefused) else "object_not_lifted"
            result.failures.append(ObjectFailure(index=index, label=label, code=code, detail=str(error)))
            continue
        assert asset.views is not None
        number = kept[asset.views.reference][0]
        line = chosen.lines[number]
        seen = next(item for item in line.objects if item.id == track)
        sized = replace(asset, camera=asset.camera.resized(*chosen.size))
        if request.world_from_cam is not None and request.camera is None:
            sized = replace(sized, flags=(*asset.flags, "camera_assumed"))
        found = InstanceMask(seen.mask, seen.box, score, label, PromptRef(kind="job", index=track))
        item = ReconstructedObject(index, f"object-{index:03d}", found, sized)
        picture = _resized(chosen.frames[number], chosen.size[::-1])
        extras, flags = write_extras(context, picture, item, request)
        made = write_object(context, item, request.formats)
        made = made.model_copy(update={"extras": extras, "flags": sorted({*made.flags, *flags})})
        result.objects.append(_with_views(made, asset.views, line.frame, track))
        context.save(
            f"object-{index:03d}-reference.png",
            "overlay",
            "image/png",
            overlay_png(chosen.frames[number], [chosen.mask(number, track)], [label or f"object {index}"]),
        )
    context.progress("lift", len(followed.tracks), len(followed.tracks))


def _with_views(made: ObjectResult, views: ViewsReport, frame: int, track: int) -> ObjectResult:
    told = ObjectViews.model_validate({**asdict(views), "reference": frame, "track": track})
    return made.model_copy(update={"views": told})


def _cam_from_world(world_from_cam: NDArray[np.float64]) -> Similarity:
    return Similarity.from_parts(world_from_cam[:3, :3], world_from_cam[:3, 3]).inverse()


def _shrunk(frame: Rgb) -> Rgb:
    ratio = min(1.0, LONG_SIDE / max(frame.shape[:2]))
    return _resized(frame, (round(frame.shape[0] * ratio), round(frame.shape[1] * ratio)))


def _resized(picture: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if picture.shape[:2] == shape:
        return picture
    return np.asarray(cv2.resize(picture, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)
