"""Turns the bodies of single frames into one motion per person, and writes the motions' files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from maquette.contract import (
    BodiesJob,
    BodiesResult,
    BodyFormat,
    BodyTrack,
    FrameSpan,
    Manifest,
    MediaRef,
    ObjectFailure,
)
from numpy.typing import NDArray

from workers.engines.protocols import ScaleSource
from workers.formats.annotated_arrays import AnnotatedArray, write_json, write_npz
from workers.formats.registry import BODY_FORMATS
from workers.geometry.cameras import Camera
from workers.jobs.bodies.body_record import MESH_ARRAYS, describe_camera
from workers.jobs.bodies.estimate_chunks import list_tracks, load_rig, load_timeline, load_track_estimates
from workers.jobs.bodies.gap_filling import ESTIMATED, FILLED
from workers.jobs.bodies.motion import BodyMotion, TrackEstimates, build_motion
from workers.jobs.bodies.motion_export import (
    FILE_FROM_MOTION,
    describe_motion,
    list_motion_arrays,
    write_motion_bvh,
    write_motion_glb,
)
from workers.jobs.bodies.overlay_video import write_overlay_video
from workers.jobs.bodies.recovery import PERSON
from workers.jobs.context import JobContext
from workers.jobs.wire import to_wire_camera

Floats = NDArray[np.float64]
# most bytes of vertices that one file of a track gets; chosen, not measured
MAX_VERTEX_BYTES = 512 << 20


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


@dataclass(frozen=True, slots=True, eq=False)
class PersonMotion:
    """One track: its bodies in single frames, and the motion built from them."""

    track: int
    sightings: TrackEstimates
    motion: BodyMotion

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"track-{self.track:03d}"


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
    if recovered.rig is not None and recovered.camera is not None:
        rig, keypoint_names, lengths = load_rig(context.get(recovered.rig))
        seconds = _to_seconds(load_timeline(recovered.chunks, context.get), recovered.time_base)
        motions: list[tuple[int, BodyMotion]] = []
        for number, track in enumerate(with_bodies):
            context.progress("motion", number, len(with_bodies))
            sightings = load_track_estimates(track, recovered.chunks, context.get, lengths)
            motion = build_motion(
                rig,
                sightings,
                seconds,
                world_from_cam=poses,
                smoothing=request.smoothing,
                max_gap=request.max_gap_seconds,
            )
            person = PersonMotion(track, sightings, motion)
            body_tracks.append(
                _write_track(context, request, person, keypoint_names, recovered, recovered.camera, poses)
            )
            motions.append((track, motion))
        write_overlay_video(context, request, video_ref, motions, recovered.camera, poses)
    missing = [track for track in tracks if track not in with_bodies]
    return _build_manifest(context, request, recovered, body_tracks, missing, flags)


def _build_manifest(
    context: JobContext,
    request: BodiesJob,
    recovered: RecoveredVideo,
    body_tracks: list[BodyTrack],
    missing: Sequence[int],
    flags: list[str],
) -> Manifest:
    result = BodiesResult(
        width=recovered.width,
        height=recovered.height,
        failures=[_report_failure(track) for track in missing],
        tracks=body_tracks,
        frames=recovered.frame_count,
        frame_rate=recovered.frame_rate,
        space="camera" if request.world_from_cam is None else "world",
    )
    reason = None
    if not body_tracks:
        reason = (
            "no trustworthy body was found in the tracks" if missing else "no person was found in the video"
        )
    names = {"formats", "lod", "vertices", "max_people", "max_frames", "smoothing"}
    return context.build_manifest(
        result,
        parameters=request.model_dump(include=names | {"max_gap_seconds", "world_up"}),
        seed=request.seed,
        reason=reason,
        flags=[*([] if body_tracks else ["nothing_found"]), *flags],
        from_job=request.from_job,
    )


def _write_track(
    context: JobContext,
    request: BodiesJob,
    person: PersonMotion,
    keypoint_names: tuple[str, ...],
    recovered: RecoveredVideo,
    camera: Camera,
    poses: Floats | None,
) -> BodyTrack:
    motion, sightings = person.motion, person.sightings
    info = context.engines.bodies().info
    space: Literal["camera", "world"] = "camera" if poses is None else "world"
    about = describe_motion(motion, f"{info.name} {info.version}", camera, recovered.scale_source, space)
    columns = list_motion_arrays(motion, sightings, keypoint_names, poses)
    flags = list(recovered.flags)
    files = _write_files(context, request, person, about, columns, camera, flags)
    if (motion.state == FILLED).any():
        flags.append("gaps_filled")
    if len(motion.spans) > 1:
        flags.append("gaps_open")
    return BodyTrack(
        id=person.track,
        first_frame=int(motion.frames[0]),
        last_frame=int(motion.frames[-1]),
        frames=int((motion.state == ESTIMATED).sum()),
        filled=int((motion.state == FILLED).sum()),
        spans=[_to_frame_span(motion, span) for span in motion.spans],
        files=files,
        camera=to_wire_camera(camera),
        parameters=dict(motion.parameters),
        scale_source=recovered.scale_source,
        confidence=float(sightings.confidence.mean()),
        reprojection_error_px=float(sightings.errors.mean()),
        jitter_raw=motion.jitter_raw,
        jitter=motion.jitter,
        flags=flags,
    )


def _write_files(
    context: JobContext,
    request: BodiesJob,
    person: PersonMotion,
    about: dict[str, Any],
    columns: dict[str, AnnotatedArray],
    camera: Camera,
    flags: list[str],
) -> dict[BodyFormat, list[str]]:
    """Save each format; flags of the files are appended to `flags`. BVH has one file per span."""
    motion, name = person.motion, person.name
    to_file = FILE_FROM_MOTION["-y" if request.world_from_cam is None else request.world_up]

    def write_glb() -> list[tuple[str, bytes]]:
        extras = {**about, "camera": describe_camera(camera), "flags": flags}
        extras.pop("humanoid")
        return [(f"{name}.glb", write_motion_glb(motion, name, extras, to_file))]

    def write_bvh() -> list[tuple[str, bytes]]:
        spans = motion.spans
        names = [f"{name}.bvh"] if len(spans) == 1 else [f"{name}-{k}.bvh" for k in range(len(spans))]
        return [
            (file, write_motion_bvh(motion, span, to_file)) for file, span in zip(names, spans, strict=True)
        ]

    def write_arrays() -> list[tuple[str, bytes]]:
        arrays = dict(columns)
        if request.vertices:
            flags.extend(_add_vertices(arrays, motion))
        return [(f"{name}.npz", write_npz(about, arrays))]

    writers: dict[str, Callable[[], list[tuple[str, bytes]]]] = {
        "glb": write_glb,
        "bvh": write_bvh,
        "npz": write_arrays,
        "json": lambda: [(f"{name}.json", write_json(about, columns, MESH_ARRAYS))],
    }
    files: dict[BodyFormat, list[str]] = {}
    for kind in dict.fromkeys(request.formats):
        file_format = BODY_FORMATS[kind]
        files[kind] = [
            context.save(file, file_format.role, file_format.media_type, data).name
            for file, data in writers[kind]()
        ]
    return files


def _add_vertices(columns: dict[str, AnnotatedArray], motion: BodyMotion) -> list[str]:
    """Add the vertices of every frame, NaN in open gaps; returns a flag instead when they are too many."""
    shape = (len(motion.frames), *motion.rig.rest_vertices.shape)
    if int(np.prod(shape)) * 4 > MAX_VERTEX_BYTES:
        return ["vertices_left_out"]
    out = np.full(shape, np.nan, dtype=np.float32)
    for span in motion.spans:
        for k in range(span.start, span.stop):
            out[k] = motion.vertices(k)
    columns["vertices"] = AnnotatedArray(
        out, "posed vertices, filled and smoothed", "m", columns["joints"].frame
    )
    return []


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
