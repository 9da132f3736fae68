"""Turns the bodies of single frames into one motion per track, and reports them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from maquette.contract import (
    BodiesJob,
    BodiesResult,
    BodyTrack,
    FrameSpan,
    Manifest,
    MediaRef,
    ObjectFailure,
)
from numpy.typing import NDArray

from workers.engines.bodies.estimates import LOW_CONFIDENCE, measure_height
from workers.engines.protocols import ScaleSource
from workers.geometry.cameras import Camera
from workers.jobs.bodies.body_height import estimate_height_range
from workers.jobs.bodies.estimate_chunks import (
    list_tracks,
    load_rig,
    load_shifts,
    load_timeline,
    load_track_estimates,
)
from workers.jobs.bodies.gap_filling import ESTIMATED, FILLED
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.planted_motion import SeenMotion, plant_motion
from workers.jobs.bodies.ground.still_camera import find_moved, stands_still
from workers.jobs.bodies.ground.video_ground import (
    count_steps,
    describe_ground,
    find_feet,
    find_ground,
    has_uncertain_contacts,
)
from workers.jobs.bodies.motion import BodyMotion, build_motion
from workers.jobs.bodies.motion_files import (
    MotionRecord,
    choose_file_frame,
    pose_vertices,
    write_motion_files,
)
from workers.jobs.bodies.motion_record import describe_motion, list_motion_arrays, list_world_arrays
from workers.jobs.bodies.overlay_video import write_overlay_video
from workers.jobs.bodies.recovery import PERSON
from workers.jobs.bodies.track_estimates import TrackEstimates
from workers.jobs.context import JobContext
from workers.jobs.wire import to_wire_camera

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredVideo:
    """The bodies of all frames as chunks in the store; `rig` and `camera` are None when there is no body."""

    width: int
    height: int
    frame_count: int
    frame_rate: float | None
    time_base: tuple[int, int]
    chunks: list[str]
    rig: str | None
    camera: Camera | None
    scale_source: ScaleSource
    flags: list[str]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrackMotion:
    """One track: its estimates, its motion, the cameras where it is in the world, the ground, and in which of
    the motion's frames the camera had moved."""

    id: int
    estimates: TrackEstimates
    motion: BodyMotion
    keypoint_names: tuple[str, ...]
    camera: Camera
    world_from_cam: Floats | None
    ground: Ground | None
    moved: NDArray[np.bool_]
    contacts_uncertain: bool


def write_motions(
    context: JobContext,
    request: BodiesJob,
    video_ref: MediaRef,
    recovered: RecoveredVideo,
    tracks: Sequence[int],
    flags: list[str],
) -> Manifest:
    """Write every track's files, then the overlay video; returns the job's manifest."""
    poses = None if request.world_from_cam is None else np.array(request.world_from_cam)
    with_bodies = list_tracks(recovered.chunks, context.get)
    body_tracks: list[BodyTrack] = []
    ground_fields: dict[str, Any] = {}
    if recovered.rig is not None and recovered.camera is not None:
        rig, keypoint_names, lengths = load_rig(context.get(recovered.rig))

        def load_estimates(track: int) -> TrackEstimates:
            return load_track_estimates(track, recovered.chunks, context.get, lengths)

        seconds = _to_seconds(load_timeline(recovered.chunks, context.get), recovered.time_base)
        shifts = load_shifts(recovered.chunks, context.get)
        moved = find_moved(shifts, seconds) & (poses is None)
        people: list[SeenMotion] = []
        gravity: list[Floats] = []
        for number, track_id in enumerate(with_bodies):
            context.progress("motion", number, len(with_bodies))
            estimates = load_estimates(track_id)
            motion = build_motion(
                rig,
                estimates,
                seconds,
                world_from_cam=poses,
                smoothing=request.smoothing,
                max_gap=request.max_gap_seconds,
            )
            feet = find_feet(motion, estimates, keypoint_names)
            people.append(SeenMotion(motion, feet & ~moved[motion.frames, None]))
            gravity.append(estimates.gravity)
        ground = find_ground(request, people, np.concatenate(gravity), stands_still(shifts))
        motions: list[tuple[int, BodyMotion]] = []
        for track_id, person in zip(with_bodies, people, strict=True):
            motion = _plant(request, person, ground, poses)
            track = TrackMotion(
                id=track_id,
                estimates=load_estimates(track_id),
                motion=motion,
                keypoint_names=keypoint_names,
                camera=recovered.camera,
                world_from_cam=poses,
                ground=ground,
                moved=moved[motion.frames],
                contacts_uncertain=has_uncertain_contacts(person, motion),
            )
            body_tracks.append(_write_track(context, request, track, recovered))
            motions.append((track_id, motion))
        write_overlay_video(context, request, video_ref, motions, recovered.camera, poses, ground)
        ground_fields = describe_ground(request, ground, [motion for _, motion in motions])
    missing = [track for track in tracks if track not in with_bodies]
    return _build_manifest(context, request, recovered, body_tracks, missing, flags, ground_fields)


def _plant(request: BodiesJob, person: SeenMotion, ground: Ground | None, poses: Floats | None) -> BodyMotion:
    if not request.smoothing or ground is None or ground.height is None:
        return person.motion
    return plant_motion(person, ground, poses)


def _build_manifest(
    context: JobContext,
    request: BodiesJob,
    recovered: RecoveredVideo,
    body_tracks: list[BodyTrack],
    missing: Sequence[int],
    flags: list[str],
    ground_fields: Mapping[str, Any],
) -> Manifest:
    result = BodiesResult(
        width=recovered.width,
        height=recovered.height,
        failures=[_report_failure(track) for track in missing],
        tracks=body_tracks,
        frames=recovered.frame_count,
        frame_rate=recovered.frame_rate,
        space="camera" if request.world_from_cam is None else "world",
        **ground_fields,
    )
    reason = None
    if not body_tracks:
        reason = (
            "no trustworthy body was found in the tracks" if missing else "no person was found in the video"
        )
    names = {"formats", "lod", "vertices", "max_people", "max_frames", "smoothing"}
    return context.build_manifest(
        result,
        parameters=request.model_dump(include=names | {"max_gap_seconds", "world_up", "height_m"}),
        seed=request.seed,
        reason=reason,
        flags=[*([] if body_tracks else ["nothing_found"]), *flags],
        from_job=request.from_job,
    )


def _write_track(
    context: JobContext, request: BodiesJob, track: TrackMotion, recovered: RecoveredVideo
) -> BodyTrack:
    motion, estimates = track.motion, track.estimates
    record, flags = _build_record(context, request, track, recovered)
    files = write_motion_files(context, record, request.formats)
    if (motion.state == FILLED).any():
        flags.append("gaps_filled")
    if len(motion.spans) > 1:
        flags.append("gaps_open")
    if motion.grounded is False:
        flags.append("not_grounded")
    if motion.sits:
        flags.append("ground_uncertain")
    if track.ground is not None and track.moved.any():
        flags.append("camera_moved")
    if track.contacts_uncertain:
        flags.append("contacts_uncertain")
    confidence = float(estimates.confidence.mean())
    # the bound is that of the default engine's confidence: what others state is on scales of their own
    if "default_engine" in recovered.flags and confidence < LOW_CONFIDENCE:
        flags.append("low_confidence")
    return BodyTrack(
        id=track.id,
        first_frame=int(motion.frames[0]),
        last_frame=int(motion.frames[-1]),
        frames=int((motion.state == ESTIMATED).sum()),
        filled=int((motion.state == FILLED).sum()),
        spans=[_to_frame_span(motion, span) for span in motion.spans],
        files=files,
        camera=to_wire_camera(track.camera),
        parameters=dict(motion.parameters),
        height_m=(height := measure_height(motion.rig)),
        height_range_m=estimate_height_range(height, recovered.scale_source),
        scale_source=recovered.scale_source,
        confidence=confidence,
        reprojection_error_px=float(estimates.errors.mean()),
        jitter_raw=motion.jitter_raw,
        jitter=motion.jitter,
        grounded=motion.grounded,
        steps=count_steps(motion.foot_contact),
        flags=flags,
    )


def _build_record(
    context: JobContext, request: BodiesJob, track: TrackMotion, recovered: RecoveredVideo
) -> tuple[MotionRecord, list[str]]:
    """What the track's files hold, and the flags of the track so far."""
    info = context.engines.bodies().info
    space: Literal["camera", "world"] = "camera" if track.world_from_cam is None else "world"
    engine = f"{info.name} {info.version}"
    header = describe_motion(track.motion, engine, track.camera, recovered.scale_source, space)
    arrays = list_motion_arrays(track.motion, track.estimates, track.keypoint_names, track.world_from_cam)
    if track.ground is not None and track.world_from_cam is None:
        arrays |= list_world_arrays(track.motion, track.ground, track.moved)
    flags, vertices = list(recovered.flags), None
    if request.vertices and "npz" in request.formats:
        vertices = pose_vertices(track.motion, arrays["joints"].frame)
        if vertices is None:
            flags.append("vertices_left_out")
    record = MotionRecord(
        stem=f"track-{track.id:03d}",
        motion=track.motion,
        header=header,
        arrays=arrays,
        vertices=vertices,
        file_from_motion=choose_file_frame(request),
        flags=tuple(recovered.flags),
    )
    return record, flags


def _to_frame_span(motion: BodyMotion, span: slice) -> FrameSpan:
    first, last = span.start, span.stop - 1
    return FrameSpan(
        first_frame=int(motion.frames[first]),
        last_frame=int(motion.frames[last]),
        first_seconds=float(motion.seconds[first]),
        last_seconds=float(motion.seconds[last]),
    )


def _to_seconds(frames: NDArray[np.int64], time_base: tuple[int, int]) -> Floats:
    """Seconds (T,) since the first frame; `frames` (T, 2) holds frame numbers and pts."""
    seconds: Floats = (frames[:, 1] - frames[0, 1]) * (time_base[0] / time_base[1])
    return seconds


def _report_failure(track: int) -> ObjectFailure:
    return ObjectFailure(
        index=track,
        label=PERSON,
        code="no_person_found",
        detail="no trustworthy body in any frame of this track; untrustworthy ones are not returned",
    )
