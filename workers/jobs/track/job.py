"""Track: a video and prompts to objects with stable ids."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict

from maquette.contract import Manifest, MaskChunk, PromptRef, Track, TrackJob, TrackResult

from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedVideo
from workers.jobs.track import outputs
from workers.jobs.track.chunked_tracking import (
    TrackingCheckpoint,
    TrackSummary,
    dump_artefacts,
    parse_checkpoint,
    track_in_chunks,
)
from workers.jobs.track.pass_merging import TrackIdMapper, write_backward_pass
from workers.jobs.track.prompts import build_track_prompts, choose_start_frame, map_prompt_refs


def run(context: JobContext, request: TrackJob) -> Manifest:
    """Follow the objects; masks are JSON Lines artefacts of 48 frames each.

    The lines of a backward pass are turned round before they are written. In both directions it comes first,
    and the forward pass takes over its objects on the frame that they share.
    """
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    engine.check(request.text)
    if request.exemplars and "video_exemplars" not in engine.info.capabilities:
        raise JobProblem(
            "exemplars_on_video_unsupported",
            f"engine {engine.info.name!r} takes no exemplar boxes on frames: Meta's backend of SAM 3 does",
        )
    stored = context.job.checkpoint
    state = TrackingCheckpoint() if stored is None else parse_checkpoint(stored)
    context.restore_artefacts(state.chunks)
    both = request.direction == "both"
    if state.start is None:
        state.start = choose_start_frame(request)
    video: LoadedVideo | None = None
    if request.direction != "forward" and not state.turned:
        video = _pass(context, request, state, backward=True)
        write_backward_pass(context, state, shared=state.start if both else None)
        state.turned, state.decoded, state.tracker, state.chunks = True, 0, None, dump_artefacts(context)
        context.save_checkpoint(asdict(state))
    if request.direction != "backward":
        video = _pass(context, request, state, backward=False)
    if video is None:
        # an earlier attempt had followed everything
        video = context.media.open_video(request.video, limit=1)
        video.frames.close()
    result = TrackResult(
        width=video.width,
        height=video.height,
        frames=state.written,
        chunks=[MaskChunk.model_validate(span) for span in state.spans],
        frame_rate=video.frame_rate,
        time_base=video.time_base,
        tracks=[_track(key, item, map_prompt_refs(request)) for key, item in sorted(state.tracks.items())],
    )
    outputs.write(context, request, result)
    chosen = {"text", "direction", "start_frame", "max_frames"}
    return context.build_manifest(
        result,
        parameters=request.model_dump(include=chosen) | {"thresholds": request.resolve_thresholds()},
        seed=request.seed,
        reason=None if result.tracks else "nothing in the video matches the prompts",
        flags=_flags(request, state, result),
    )


def _pass(
    context: JobContext, request: TrackJob, state: TrackingCheckpoint, *, backward: bool
) -> LoadedVideo:
    """One way through the video, from where `state` is; its lines are written, or spooled when backward."""
    step, start = -1 if backward else 1, state.start
    if start is not None:
        # the last frame that was seen is there for sure, the next may not be
        start += step * max(state.decoded - 1, 0)
    video = context.media.open_video(request.video, start=start, backward=backward)
    if state.start is None:
        state.start = video.first
    with closing(video.frames):
        prompts = build_track_prompts(request, state.start, video.width, video.height)
        track_in_chunks(
            context,
            video,
            prompts,
            request.max_frames,
            state,
            lambda state: context.save_checkpoint(asdict(state)),
            spooled=backward,
            rename=TrackIdMapper(context, state, prompts.objects) if state.turned else None,
        )
    return video


def _flags(request: TrackJob, state: TrackingCheckpoint, result: TrackResult) -> list[str]:
    flags = [] if result.tracks else ["nothing_found"]
    last = max((span["last_frame"] for span in state.spans), default=-1)
    first = min((span["first_frame"] for span in state.spans), default=0)
    if any(not first <= prompt.frame <= last for prompt in request.prompts):
        flags.append("prompts_not_reached")
    known = {track.id for track in result.tracks}
    if any(prompt.object is not None and prompt.object not in known for prompt in request.prompts):
        flags.append("prompt_object_unknown")
    return flags


def _track(number: int, item: TrackSummary, refs: Mapping[int, PromptRef]) -> Track:
    return Track(
        id=number,
        label=item.label,
        prompt=refs[item.prompt],
        first_frame=item.first,
        last_frame=item.last,
        frames=item.frames,
        mean_score=item.scores / item.frames if item.frames else None,
        flags=item.flags,
    )
