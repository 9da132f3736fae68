"""From bodies of single frames to a person's motion: files of every track, and the overlay film."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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

from workers.bodies.animation import (
    TO_FILE,
    motion_about,
    motion_bvh,
    motion_columns,
    motion_glb,
)
from workers.bodies.gaps import FILLED, FOUND
from workers.bodies.motion import Motion, Sightings, build
from workers.bodies.sightings import read_rig, sightings_of, timeline, tracks_in
from workers.bodies.still import MESH_ARRAYS, camera_about
from workers.engines.protocols import Rig, ScaleSource
from workers.formats.annotated_arrays import AnnotatedArray, write_json, write_npz
from workers.formats.images import shrink_image, shrunk_size
from workers.formats.registry import BODY_FORMATS
from workers.formats.video_writer import VideoWriter
from workers.geometry.cameras import Camera
from workers.jobs.cameras import to_wire_camera
from workers.jobs.context import JobContext
from workers.jobs.previews import PosedBody, draw_bodies
from workers.jobs.track.chunked_tracking import limit_frames

Floats = NDArray[np.float64]
FILM_SIDE = 640
# Vertices of a whole track in one file may take this much.
VERTEX_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class RecoveredVideo:
    """Bodies of all frames as chunks in the store; `rig`, `camera` are None when there is no body."""

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
    """One track: its bodies as found and the motion made of them."""

    track: int
    seen: Sightings
    motion: Motion

    @property
    def name(self) -> str:
        return f"track-{self.track:03d}"


def write_motions(
    context: JobContext,
    request: BodiesJob,
    ref: MediaRef,
    recovered: RecoveredVideo,
    tracks: Sequence[int],
    flags: list[str],
) -> Manifest:
    """Write every track's files, then the film, and tell the result."""
    poses = None if request.world_from_cam is None else np.array(request.world_from_cam)
    found = tracks_in(recovered.chunks, context.get)
    motions: list[tuple[int, Motion]] = []
    told: list[BodyTrack] = []
    if recovered.rig is not None and recovered.camera is not None:
        rig, names, lengths = read_rig(context.get(recovered.rig))
        seconds = _seconds(timeline(recovered.chunks, context.get), recovered.time_base)
        for number, track in enumerate(found):
            context.progress("motion", number, len(found))
            seen = sightings_of(track, recovered.chunks, context.get, lengths)
            person = PersonMotion(track, seen, _motion(rig, seen, seconds, request, poses))
            told.append(_write(context, request, person, names, recovered, recovered.camera, poses))
            motions.append((track, person.motion))
        _film(context, request, ref, motions, recovered.camera, poses)
    result = BodiesResult(
        width=recovered.width,
        height=recovered.height,
        failures=[_failure(track) for track in tracks if track not in found],
        tracks=told,
        frames=recovered.frame_count,
        frame_rate=recovered.frame_rate,
        space="camera" if poses is None else "world",
    )
    reason = None
    if not told:
        reason = (
            "no trustworthy body was found in the tracks" if tracks else "no person was found in the video"
        )
    return context.build_manifest(
        result,
        parameters={
            "formats": request.formats,
            "lod": request.lod,
            "vertices": request.vertices,
            "max_people": request.max_people,
            "max_frames": request.max_frames,
            "smoothing": request.smoothing,
            "max_gap_seconds": request.max_gap_seconds,
            "world_up": request.world_up,
        },
        seed=request.seed,
        reason=reason,
        flags=[*([] if told else ["nothing_found"]), *flags],
        from_job=request.from_job,
    )


def _motion(rig: Rig, seen: Sightings, seconds: Floats, request: BodiesJob, poses: Floats | None) -> Motion:
    return build(
        rig,
        seen,
        seconds,
        world_from_cam=poses,
        smoothing=request.smoothing,
        max_gap=request.max_gap_seconds,
    )


def _write(
    context: JobContext,
    request: BodiesJob,
    person: PersonMotion,
    names: tuple[str, ...],
    recovered: RecoveredVideo,
    camera: Camera,
    poses: Floats | None,
) -> BodyTrack:
    motion, seen = person.motion, person.seen
    info = context.engines.bodies().info
    space: Literal["camera", "world"] = "camera" if poses is None else "world"
    flags = list(recovered.flags)
    files: dict[BodyFormat, list[str]] = {}
    to_file = TO_FILE["-y" if poses is None else request.world_up]
    about = motion_about(motion, f"{info.name} {info.version}", camera, recovered.scale_source, space)
    columns = motion_columns(motion, seen, names, poses)
    for kind in dict.fromkeys(request.formats):
        made: list[tuple[str, bytes]] = []
        if kind == "glb":
            extras = {**about, "camera": camera_about(camera), "flags": flags}
            extras.pop("humanoid")
            made.append((f"{person.name}.glb", motion_glb(motion, person.name, extras, to_file)))
        elif kind == "bvh":
            runs = motion.spans
            made += [
                (
                    f"{person.name}.bvh" if len(runs) == 1 else f"{person.name}-{k}.bvh",
                    motion_bvh(motion, run, to_file),
                )
                for k, run in enumerate(runs)
            ]
        elif kind == "npz":
            whole = dict(columns)
            if request.vertices:
                flags += _with_vertices(whole, motion)
            made.append((f"{person.name}.npz", write_npz(about, whole)))
        else:
            made.append((f"{person.name}.json", write_json(about, columns, MESH_ARRAYS)))
        role, media_type = BODY_FORMATS[kind].role, BODY_FORMATS[kind].media_type
        files[kind] = [context.save(name, role, media_type, data).name for name, data in made]
    states = motion.state
    if (states == FILLED).any():
        flags.append("gaps_filled")
    if len(motion.spans) > 1:
        flags.append("gaps_open")
    return BodyTrack(
        id=person.track,
        first_frame=int(motion.frames[0]),
        last_frame=int(motion.frames[-1]),
        frames=int((states == FOUND).sum()),
        filled=int((states == FILLED).sum()),
        spans=[_span(motion, run) for run in motion.spans],
        files=files,
        camera=to_wire_camera(camera),
        parameters=dict(motion.parameters),
        scale_source=recovered.scale_source,
        confidence=float(seen.confidence.mean()),
        reprojection_error_px=float(seen.errors.mean()),
        jitter_raw=motion.jitter_raw,
        jitter=motion.jitter,
        flags=flags,
    )


def _with_vertices(columns: dict[str, AnnotatedArray], motion: Motion) -> list[str]:
    """Add the vertices of every frame, NaN where open; a flag instead when they are too many."""
    shape = (len(motion.frames), *motion.rig.rest_vertices.shape)
    if int(np.prod(shape)) * 4 > VERTEX_BYTES:
        return ["vertices_left_out"]
    out = np.full(shape, np.nan, dtype=np.float32)
    for run in motion.spans:
        for k in range(run.start, run.stop):
            out[k] = motion.vertices(k)
    columns["vertices"] = AnnotatedArray(
        out, "posed vertices, filled and smoothed", "m", columns["joints"].frame
    )
    return []


def _span(motion: Motion, run: slice) -> FrameSpan:
    first, last = run.start, run.stop - 1
    return FrameSpan(
        first_frame=int(motion.frames[first]),
        last_frame=int(motion.frames[last]),
        first_seconds=float(motion.seconds[first]),
        last_seconds=float(motion.seconds[last]),
    )


def _film(
    context: JobContext,
    request: BodiesJob,
    ref: MediaRef,
    motions: Sequence[tuple[int, Motion]],
    camera: Camera,
    poses: Floats | None,
) -> None:
    """The frames beside the smoothed bodies over them, as an MP4."""
    video = context.media.open_video(ref)
    width, height = shrunk_size(video.width, video.height, FILM_SIDE)
    with (
        VideoWriter(2 * width, height, video.time_base) as film,
        limit_frames(video, request.max_frames) as frames,
    ):
        for frame in frames:
            context.progress("overlay", frame.index, video.frame_count)
            film.add(
                _beside(shrink_image(frame.pixels, FILM_SIDE), frame.index, motions, camera, poses), frame.pts
            )
        context.save("overlay.mp4", "overlay", "video/mp4", film.finish())


def _beside(
    shown: NDArray[np.uint8],
    index: int,
    motions: Sequence[tuple[int, Motion]],
    camera: Camera,
    poses: Floats | None,
) -> NDArray[np.uint8]:
    """A frame beside itself with the bodies over it."""
    placed = []
    for track, motion in motions:
        place = index - int(motion.frames[0])
        if not 0 <= place < len(motion.frames) or not motion.state[place]:
            continue
        vertices = motion.vertices(place)
        if poses is not None:
            vertices = (vertices - poses[index, :3, 3]) @ poses[index, :3, :3]
        placed.append(PosedBody(vertices, motion.rig.faces, camera, track))
    return np.hstack([shown, draw_bodies(shown.copy(), placed)])


def _seconds(frames: NDArray[np.int64], time_base: tuple[int, int]) -> Floats:
    """Seconds (T,) of every frame from the first; `frames` (T, 2) are numbers and pts."""
    seconds: Floats = (frames[:, 1] - frames[0, 1]) * (time_base[0] / time_base[1])
    return seconds


def _failure(track: int) -> ObjectFailure:
    return ObjectFailure(
        index=track,
        label="person",
        code="no_person_found",
        detail="no trustworthy body in any frame of this track: none is better than a wild one",
    )
