"""Runs a track job."""

from collections.abc import Mapping
from contextlib import closing

from maquette.contract import Manifest, MaskChunk, PromptRef, Track, TrackJob, TrackResult

from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedVideo
from workers.jobs.track.chunked_tracking import (
    ChunkedTracker,
    TrackingCheckpoint,
    TrackSummary,
    dump_artefacts,
    save_rows,
    spool_rows,
)
from workers.jobs.track.outputs import write_outputs
from workers.jobs.track.pass_merging import TrackIdMapper, write_backward_pass
from workers.jobs.track.prompts import build_track_prompts, map_prompt_refs


def run(context: JobContext, request: TrackJob) -> Manifest:
    """Track the objects in one pass or two, then write the outputs.

    A backward pass comes first and is reversed before it is written. With both directions, the forward pass
    takes over its objects on the frame that they share.
    """
    _check_engine(context, request)
    checkpoint = TrackingCheckpoint.from_json(context.job.checkpoint)
    context.restore_artefacts(checkpoint.chunks)
    if checkpoint.start is None:
        checkpoint.start = request.choose_start_frame()
    video: LoadedVideo | None = None
    if request.direction != "forward" and not checkpoint.turned:
        video = _track_pass(context, request, checkpoint, backward=True)
        _finish_backward_pass(context, request, checkpoint)
    if request.direction != "backward":
        video = _track_pass(context, request, checkpoint, backward=False)
    if video is None:
        # an earlier attempt had tracked everything
        video = context.media.open_video(request.video, limit=1)
        video.frames.close()
    result = _build_result(request, checkpoint, video)
    write_outputs(context, request, result)
    parameters = request.model_dump(include={"text", "direction", "start_frame", "max_frames"})
    return context.build_manifest(
        result,
        parameters=parameters | {"thresholds": request.resolve_thresholds()},
        seed=request.seed,
        reason=None if result.tracks else "nothing in the video matches the prompts",
        flags=_list_flags(request, checkpoint, result),
    )


def _check_engine(context: JobContext, request: TrackJob) -> None:
    engine = context.engines.concepts()
    context.record_engine(engine.info)
    engine.check(request.text)


def _track_pass(
    context: JobContext, request: TrackJob, checkpoint: TrackingCheckpoint, *, backward: bool
) -> LoadedVideo:
    """Track in one direction, from where the checkpoint is."""
    step, start = -1 if backward else 1, checkpoint.start
    if start is not None:
        # start on the last decoded frame, which exists; the next one may not
        start += step * max(checkpoint.decoded - 1, 0)
    video = context.media.open_video(request.video, start=start, backward=backward)
    if checkpoint.start is None:
        checkpoint.start = video.first
    with closing(video.frames):
        prompts = build_track_prompts(request, checkpoint.start, video.width, video.height, backward=backward)
        tracker = ChunkedTracker(
            context=context,
            checkpoint=checkpoint,
            save=lambda checkpoint: context.save_checkpoint(checkpoint.to_json()),
            sink=spool_rows if backward else save_rows,
            rename=TrackIdMapper(context, checkpoint, prompts.objects) if checkpoint.turned else None,
        )
        tracker.track(video, prompts, request.max_frames)
    return video


def _finish_backward_pass(context: JobContext, request: TrackJob, checkpoint: TrackingCheckpoint) -> None:
    shared_frame = checkpoint.start if request.direction == "both" else None
    write_backward_pass(context, checkpoint, shared_frame=shared_frame)
    checkpoint.turned, checkpoint.decoded, checkpoint.tracker, checkpoint.ahead = True, 0, None, 0
    checkpoint.chunks = dump_artefacts(context)
    context.save_checkpoint(checkpoint.to_json())


def _build_result(request: TrackJob, checkpoint: TrackingCheckpoint, video: LoadedVideo) -> TrackResult:
    refs = map_prompt_refs(request)
    return TrackResult(
        width=video.width,
        height=video.height,
        frames=checkpoint.written,
        chunks=[MaskChunk.model_validate(span) for span in checkpoint.spans],
        frame_rate=video.frame_rate,
        time_base=video.time_base,
        tracks=[_to_track(number, item, refs) for number, item in sorted(checkpoint.tracks.items())],
    )


def _list_flags(request: TrackJob, checkpoint: TrackingCheckpoint, result: TrackResult) -> list[str]:
    flags = [] if result.tracks else ["nothing_found"]
    last = max((span["last_frame"] for span in checkpoint.spans), default=-1)
    first = min((span["first_frame"] for span in checkpoint.spans), default=0)
    if any(not first <= prompt.frame <= last for prompt in request.prompts):
        flags.append("prompts_not_reached")
    known = {track.id for track in result.tracks}
    if any(prompt.object is not None and prompt.object not in known for prompt in request.prompts):
        flags.append("prompt_object_unknown")
    return flags


def _to_track(number: int, summary: TrackSummary, refs: Mapping[int, PromptRef]) -> Track:
    return Track(
        id=number,
        label=summary.label,
        prompt=refs[summary.prompt],
        first_frame=summary.first,
        last_frame=summary.last,
        frames=summary.frames,
        mean_score=summary.mean_score,
        flags=summary.flags,
    )
