"""Bodies of a video: people are tracked, recovered frame by frame, then turned into motions.

Three passes over the video, none of which keeps frames in memory: the tracker's (skipped when a track job is
continued), the body engine's, and the overlay's. The first two save a checkpoint every 48 frames.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from maquette.contract import Artefact, BodiesJob, Manifest, MediaRef, TrackResult
from maquette.contract.vocabulary import UnknownPhrase, parse_phrase

from media.sandbox import DecodedFrame
from workers.engines.protocols import BodyControls, BodyEstimate, TrackPrompts
from workers.errors import JobProblem
from workers.formats.images import encode_png, shrink_image
from workers.geometry.cameras import Camera
from workers.jobs.bodies.checkpoint import BodiesCheckpoint
from workers.jobs.bodies.controls import read_controls
from workers.jobs.bodies.estimate_chunks import EstimateChunkWriter, dump_rig
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.still_camera import CameraWatch
from workers.jobs.bodies.motions import RecoveredVideo, write_motions
from workers.jobs.bodies.previews import PANEL_SIDE, PosedBody, draw_bodies
from workers.jobs.bodies.recovery import PERSON, apply_height, apply_lod, call_engine, list_ignored_options
from workers.jobs.cameras import parse_intrinsics
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedVideo
from workers.jobs.track.chunked_tracking import (
    CHUNK_FRAMES,
    ChunkedTracker,
    TrackingCheckpoint,
    dump_artefacts,
    limit_frames,
)
from workers.jobs.track.mask_rows import FrameMasks, read_frames

# flags of the first body that hold for all frames of a video
SHARED_FLAGS = frozenset({"default_engine", "scale_not_metric", "camera_assumed", "height_given"})
# a body with the id of its track
TrackedBody = tuple[int, BodyEstimate]


def run(context: JobContext, request: BodiesJob, earlier: Manifest | None) -> Manifest:
    """Bodies of `request.video`, or of the video of the track job `earlier`."""
    if why := request.image_only_format():
        raise JobProblem("invalid_request", why)
    video_ref = request.video if earlier is None else MediaRef(id=earlier.provenance.sources[0])
    assert video_ref is not None
    context.record_engine(context.engines.bodies().info)
    checkpoint = BodiesCheckpoint.from_json(context.job.checkpoint)
    context.restore_artefacts(checkpoint.artefacts)
    if earlier is None:
        checkpoint = _track_people(context, request, video_ref, checkpoint)
        tracking = TrackingCheckpoint.from_json(checkpoint.tracking)
        masks = [Artefact.model_validate(item) for item in tracking.chunks]
        lengths = {number: item.frames for number, item in tracking.tracks.items()}
    else:
        assert isinstance(earlier.result, TrackResult)
        masks = earlier.artefacts
        lengths = {track.id: track.frames for track in earlier.result.tracks if _may_be_person(track.label)}
    longest = sorted(lengths, key=lambda number: (-lengths[number], number))
    kept = set(longest[: request.max_people])
    video = context.media.open_video(video_ref)
    recovered = _recover_video(context, request, video, _read_people(context, masks, kept), checkpoint)
    flags = list_ignored_options(context, request)
    if len(kept) < len(lengths):
        flags.append("people_capped")
    return write_motions(context, request, video_ref, recovered, sorted(kept), flags)


def _track_people(
    context: JobContext, request: BodiesJob, video_ref: MediaRef, checkpoint: BodiesCheckpoint
) -> BodiesCheckpoint:
    """Track people from where the checkpoint is; returns the checkpoint of the finished pass."""
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    if checkpoint.tracked:
        return checkpoint
    engine.check([PERSON])
    tracking = TrackingCheckpoint.from_json(checkpoint.tracking)

    def save(tracking: TrackingCheckpoint, *, tracked: bool = False) -> BodiesCheckpoint:
        checkpoint = BodiesCheckpoint(tracking.to_json(), tracked, artefacts=dump_artefacts(context))
        context.save_checkpoint(checkpoint.to_json())
        return checkpoint

    video = context.media.open_video(video_ref, start=max(tracking.decoded - 1, 0))
    with closing(video.frames):
        _check_cameras(request, video)
        tracker = ChunkedTracker(context=context, checkpoint=tracking, save=save, previews=False)
        tracker.track(video, TrackPrompts((PERSON,)), request.max_frames)
    return save(tracking, tracked=True)


def _recover_video(
    context: JobContext,
    request: BodiesJob,
    video: LoadedVideo,
    people: Iterator[FrameMasks],
    checkpoint: BodiesCheckpoint,
) -> RecoveredVideo:
    """The bodies of every frame, as chunks in the store."""
    writer = EstimateChunkWriter()
    total = video.count_frames(request.max_frames)
    controls = read_controls(request)
    with limit_frames(video, request.max_frames) as frames:
        given = _check_cameras(request, video)
        # the cameras of a motion in the world are known
        watch = None if request.world_from_cam is not None else _Watch(context, checkpoint)
        for frame, masks in zip(frames, people, strict=False):
            if frame.index < checkpoint.decoded:
                continue
            camera = given or checkpoint.estimated_camera()
            bodies = _recover_frame(context, request, controls, frame, masks, camera)
            writer.add(frame.index, frame.pts, bodies, watch.measure(frame, masks) if watch else math.nan)
            if bodies and checkpoint.rig is None:
                checkpoint.rig = context.put(dump_rig(bodies[0][1]))
                checkpoint.first = _describe_first(bodies[0][1])
            checkpoint.decoded = frame.index + 1
            preview = None
            if frame.index % CHUNK_FRAMES == 0 and bodies:
                preview = _save_preview(context, frame, bodies)
            context.progress("bodies", checkpoint.decoded, total, preview=preview)
            if checkpoint.decoded % CHUNK_FRAMES == 0:
                checkpoint.chunks.append(context.put(writer.flush()))
                checkpoint.artefacts = dump_artefacts(context)
                context.save_checkpoint(checkpoint.to_json())
    if checkpoint.decoded % CHUNK_FRAMES:
        checkpoint.chunks.append(context.put(writer.flush()))
    return _build_recovered(video, checkpoint)


class _Watch:
    """Measures the camera's motion through the video, with its reference in the checkpoint."""

    def __init__(self, context: JobContext, checkpoint: BodiesCheckpoint) -> None:
        self._context, self._checkpoint = context, checkpoint
        stored = checkpoint.watch
        self._watch = None if stored is None else CameraWatch.load(context.get(stored))

    def measure(self, frame: DecodedFrame, people: FrameMasks) -> float:
        """How far the background has moved, as `CameraWatch.measure`."""
        if self._watch is None:
            self._watch = CameraWatch.begin(frame.pixels, [person.mask for person in people.objects])
            self._checkpoint.watch = self._context.put(self._watch.dump())
        return self._watch.measure(frame.pixels)


def _build_recovered(video: LoadedVideo, checkpoint: BodiesCheckpoint) -> RecoveredVideo:
    first = checkpoint.first
    return RecoveredVideo(
        width=video.width,
        height=video.height,
        frame_count=checkpoint.decoded,
        frame_rate=video.frame_rate,
        time_base=video.time_base,
        chunks=checkpoint.chunks,
        rig=checkpoint.rig,
        camera=Camera(**first["camera"]) if first else None,
        scale_source=first["scale_source"] if first else "prior",
        flags=first["flags"] if first else [],
    )


def _recover_frame(
    context: JobContext,
    request: BodiesJob,
    controls: BodyControls | None,
    frame: DecodedFrame,
    people: FrameMasks,
    camera: Camera | None,
) -> list[TrackedBody]:
    """The bodies of one frame with the ids of their tracks."""
    poses = request.world_from_cam
    if poses is not None and frame.index >= len(poses):
        raise _poses_missing(len(poses), frame.index + 1)
    if not people.objects:
        return []
    engine = context.engines.bodies()
    boxes = [person.box for person in people.objects]
    masks = [person.mask for person in people.objects]
    bodies = call_engine(engine, frame.pixels, boxes, masks, controls, camera, request.seed)
    pairs = zip(people.objects, bodies, strict=True)
    height = request.height_m if isinstance(request.height_m, float) else None
    return [
        (person.id, apply_height(apply_lod(engine, body, request.lod), height))
        for person, body in pairs
        if body is not None
    ]


def _describe_first(body: BodyEstimate) -> dict[str, Any]:
    """What the first body says of all: camera, source of the scale, shared flags."""
    return {
        "camera": asdict(body.camera),
        "scale_source": body.scale_source,
        "flags": [flag for flag in body.flags if flag in SHARED_FLAGS],
    }


def _check_cameras(request: BodiesJob, video: LoadedVideo) -> Camera | None:
    """The request's camera; raises JobProblem when it is implausible or poses are missing."""
    poses, frames = request.world_from_cam, video.frame_count
    if poses is not None and frames is not None:
        needed = min(frames, request.max_frames or frames)
        if len(poses) < needed:
            raise _poses_missing(len(poses), needed)
    if request.camera is None:
        return None
    return parse_intrinsics(request.camera, video.width, video.height)


def _poses_missing(given: int, needed: int) -> JobProblem:
    return JobProblem(
        "camera_poses_missing",
        f"'world_from_cam' holds {given} poses, but the video has {needed} frames: give one pose per frame",
    )


def _read_people(context: JobContext, masks: Sequence[Artefact], kept: set[int]) -> Iterator[FrameMasks]:
    for frame in read_frames(context, masks):
        yield FrameMasks(frame.frame, frame.pts, [person for person in frame.objects if person.id in kept])


def _may_be_person(label: str | None) -> bool:
    """Whether a track's label does not rule out a person; open-vocabulary engines give any label."""
    if label is None:
        return True
    try:
        return PERSON in parse_phrase(label).classes
    except UnknownPhrase:
        return True


def _save_preview(context: JobContext, frame: DecodedFrame, bodies: Sequence[TrackedBody]) -> str:
    posed = [PosedBody(body.vertices, body.rig.faces, body.camera, track) for track, body in bodies]
    ground = Ground.under([body for _, body in bodies])
    overlay = encode_png(draw_bodies(shrink_image(frame.pixels, PANEL_SIDE).copy(), posed, ground))
    return context.save(f"overlay-{frame.index:05d}.png", "overlay", "image/png", overlay).sha256
