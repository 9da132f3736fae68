"""Bodies of a video: people are tracked, recovered frame by frame, then made into motions.

Three passes over the video, none of which keeps frames: the tracker's (left out when the request goes on from
a track job), the bodies', and the overlay's. The first two leave a checkpoint every 48 frames.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from maquette.contract import Artefact, BodiesJob, Manifest, MediaRef, TrackResult
from maquette.contract.vocabulary import UnknownPhrase, parse_phrase

from media.sandbox import DecodedFrame
from workers.bodies.sightings import Gatherer, rig_bytes
from workers.engines.protocols import BodyEstimate, TrackPrompts
from workers.errors import JobProblem
from workers.formats.images import encode_png, shrink_image
from workers.geometry.cameras import Camera
from workers.jobs.bodies.motion_files import RecoveredVideo, write_motions
from workers.jobs.bodies.recovery import apply_lod, list_ignored_options
from workers.jobs.cameras import parse_intrinsics
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedVideo
from workers.jobs.previews import PANEL, PosedBody, draw_bodies
from workers.jobs.track.chunked_tracking import (
    CHUNK_FRAMES,
    TrackingCheckpoint,
    dump_artefacts,
    limit_frames,
    parse_checkpoint,
    track_in_chunks,
)
from workers.jobs.track.mask_reader import FrameMasks, read_frames

PERSON = "person"
# Flags of a body that hold for all frames of a video.
LASTING_FLAGS = frozenset({"default_engine", "scale_not_metric", "camera_assumed"})


@dataclass(slots=True)
class BodiesCheckpoint:
    """The state between chunks; goes into checkpoints as JSON. `artefacts` are those of both passes."""

    ledger: dict[str, Any] | None = None
    tracked: bool = False
    decoded: int = 0
    rig: str | None = None
    chunks: list[str] = field(default_factory=list)
    first: dict[str, Any] | None = None
    artefacts: list[dict[str, Any]] = field(default_factory=list)


def run(context: JobContext, request: BodiesJob, earlier: Manifest | None) -> Manifest:
    """Bodies of `request.video`, or of the video that the track job `earlier` followed."""
    if why := request.image_only_format():
        raise JobProblem("invalid_request", why)
    ref = request.video if earlier is None else MediaRef(id=earlier.provenance.sources[0])
    assert ref is not None
    context.record_engine(context.engines.bodies().info)
    state = _restored(context)
    if earlier is None:
        state = _tracked(context, request, ref, state)
        ledger = _ledger(state)
        masks = [Artefact.model_validate(item) for item in ledger.chunks]
        people = [(n, item.frames) for n, item in ledger.tracks.items()]
    else:
        result = earlier.result
        assert isinstance(result, TrackResult)
        masks = earlier.artefacts
        people = [(track.id, track.frames) for track in result.tracks if _may_be_person(track.label)]
    kept = {n for n, _ in sorted(people, key=lambda pair: (-pair[1], pair[0]))[: request.max_people]}
    video = context.media.open_video(ref)
    recovered = _recover(context, request, video, _people_of(context, masks, kept), state)
    flags = list_ignored_options(context, request) + (["people_capped"] if len(kept) < len(people) else [])
    return write_motions(context, request, ref, recovered, sorted(kept), flags)


def _tracked(
    context: JobContext, request: BodiesJob, ref: MediaRef, state: BodiesCheckpoint
) -> BodiesCheckpoint:
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    if state.tracked:
        return state
    engine.check([PERSON])
    ledger = _ledger(state)

    def keep(ledger: TrackingCheckpoint) -> None:
        context.save_checkpoint(
            asdict(BodiesCheckpoint(ledger=asdict(ledger), artefacts=dump_artefacts(context)))
        )

    video = context.media.open_video(ref, start=max(ledger.decoded - 1, 0))
    with closing(video.frames):
        _check(request, video)
        prompts = TrackPrompts((PERSON,))
        track_in_chunks(context, video, prompts, request.max_frames, ledger, keep, previews=False)
    done = BodiesCheckpoint(ledger=asdict(ledger), tracked=True, artefacts=dump_artefacts(context))
    context.save_checkpoint(asdict(done))
    return done


def _recover(
    context: JobContext,
    request: BodiesJob,
    video: LoadedVideo,
    lines: Iterator[FrameMasks],
    state: BodiesCheckpoint,
) -> RecoveredVideo:
    """Bodies of every frame, as chunks in the store."""
    gathered = Gatherer()
    with limit_frames(video, request.max_frames) as frames:
        camera = _check(request, video)
        for frame, line in zip(frames, lines, strict=False):
            if frame.index < state.decoded:
                continue
            found = _bodies_of(context, request, frame, line, camera or _settled(state))
            gathered.add(frame.index, frame.pts, found)
            if found and state.rig is None:
                state.rig, state.first = context.put(rig_bytes(found[0][1])), _lasting(found[0][1])
            state.decoded = frame.index + 1
            preview = None
            if frame.index % CHUNK_FRAMES == 0 and found:
                preview = _preview(context, frame, found)
            context.progress("bodies", state.decoded, video.frame_count, preview=preview)
            if state.decoded % CHUNK_FRAMES == 0:
                state.chunks.append(context.put(gathered.chunk()))
                state.artefacts = dump_artefacts(context)
                context.save_checkpoint(asdict(state))
    if state.decoded % CHUNK_FRAMES:
        state.chunks.append(context.put(gathered.chunk()))
    return RecoveredVideo(
        width=video.width,
        height=video.height,
        frame_count=state.decoded,
        frame_rate=video.frame_rate,
        time_base=video.time_base,
        chunks=state.chunks,
        rig=state.rig,
        camera=Camera(**state.first["camera"]) if state.first else None,
        scale_source=state.first["scale_source"] if state.first else "prior",
        flags=state.first["flags"] if state.first else [],
    )


def _bodies_of(
    context: JobContext, request: BodiesJob, frame: DecodedFrame, line: FrameMasks, camera: Camera | None
) -> list[tuple[int, BodyEstimate]]:
    """The bodies of one frame with the ids of their tracks."""
    poses = request.world_from_cam
    if poses is not None and frame.index >= len(poses):
        raise _too_few_poses(len(poses), frame.index + 1)
    if not line.objects:
        return []
    engine = context.engines.bodies()
    bodies = engine.recover(
        frame.pixels,
        [person.box for person in line.objects],
        [person.mask for person in line.objects],
        camera=camera,
        seed=request.seed,
    )
    pairs = zip(line.objects, bodies, strict=True)
    return [(person.id, apply_lod(engine, body, request.lod)) for person, body in pairs if body is not None]


def _settled(state: BodiesCheckpoint) -> Camera | None:
    """The camera that was estimated on the first frame with a body: it is one camera through the video."""
    known = state.first and state.first["camera"]
    return Camera(**known) if known and known["source"] == "estimated" else None


def _lasting(body: BodyEstimate) -> dict[str, Any]:
    """What the first body tells of all."""
    return {
        "camera": asdict(body.camera),
        "scale_source": body.scale_source,
        "flags": [flag for flag in body.flags if flag in LASTING_FLAGS],
    }


def _check(request: BodiesJob, video: LoadedVideo) -> Camera | None:
    """The request's camera; raises JobProblem when it, or the number of poses, cannot be right."""
    poses, frames = request.world_from_cam, video.frame_count
    if poses is not None and frames is not None:
        needed = min(frames, request.max_frames or frames)
        if len(poses) < needed:
            raise _too_few_poses(len(poses), needed)
    if request.camera is None:
        return None
    return parse_intrinsics(request.camera, video.width, video.height)


def _too_few_poses(given: int, needed: int) -> JobProblem:
    return JobProblem(
        "camera_poses_missing",
        f"'world_from_cam' holds {given} poses, the video has {needed} frames: give one for each frame",
    )


def _people_of(context: JobContext, masks: Sequence[Artefact], kept: set[int]) -> Iterator[FrameMasks]:
    for line in read_frames(context, masks):
        people = [person for person in line.objects if person.id in kept]
        yield FrameMasks(line.frame, line.pts, people)


def _may_be_person(label: str | None) -> bool:
    """Whether a track's label leaves open that it is a person; engines with open words have any label."""
    if label is None:
        return True
    try:
        return PERSON in parse_phrase(label).classes
    except UnknownPhrase:
        return True


def _preview(context: JobContext, frame: DecodedFrame, found: Sequence[tuple[int, BodyEstimate]]) -> str:
    placed = [PosedBody(body.vertices, body.rig.faces, body.camera, track) for track, body in found]
    picture = draw_bodies(shrink_image(frame.pixels, PANEL).copy(), placed)
    return context.save(f"overlay-{frame.index:05d}.png", "overlay", "image/png", encode_png(picture)).sha256


def _restored(context: JobContext) -> BodiesCheckpoint:
    stored = context.job.checkpoint
    if stored is None:
        return BodiesCheckpoint()
    context.restore_artefacts(stored["artefacts"])
    return BodiesCheckpoint(**stored)


def _ledger(state: BodiesCheckpoint) -> TrackingCheckpoint:
    return TrackingCheckpoint() if state.ledger is None else parse_checkpoint(state.ledger)
