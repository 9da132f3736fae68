"""Track: a video and prompts to objects with stable ids."""

from dataclasses import asdict

from maquette.contract import Artefact, Manifest, PromptRef, Track, TrackJob, TrackResult

from workers.engines.protocols import TrackPrompts
from workers.jobs import prompting
from workers.jobs.context import JobContext
from workers.jobs.following import Ledger, Summary, follow, restore


def run(context: JobContext, request: TrackJob) -> Manifest:
    """Follow the objects; masks are JSON Lines artefacts of 48 frames each."""
    engine = context.engines.concepts()
    context.used(engine.info)
    engine.check(request.text)
    video = context.video(request.video)
    prompting.check_inside(request.boxes, request.points, video.width, video.height)
    stored = context.job.checkpoint
    state = Ledger() if stored is None else restore(stored)
    context.artefacts.extend(Artefact.model_validate(item) for item in state.chunks)
    prompts = TrackPrompts(
        tuple(request.text),
        tuple(prompting.clicks_of(request.boxes, request.points)),
        request.threshold,
    )
    follow(
        context, video, prompts, request.max_frames, state, lambda state: context.checkpoint(asdict(state))
    )
    result = TrackResult(
        width=video.width,
        height=video.height,
        frames=state.written,
        frame_rate=video.frame_rate,
        time_base=video.time_base,
        tracks=[_track(key, item, request) for key, item in sorted(state.tracks.items())],
    )
    return context.manifest(
        result,
        parameters={"threshold": request.threshold, "text": request.text, "max_frames": request.max_frames},
        seed=request.seed,
        reason=None if result.tracks else "nothing in the video matches the prompts",
        flags=[] if result.tracks else ["nothing_found"],
    )


def _track(number: int, item: Summary, request: TrackJob) -> Track:
    texts, boxes = len(request.text), len(request.boxes)
    if item.prompt < texts:
        ref = PromptRef(kind="text", index=item.prompt)
    elif item.prompt < texts + boxes:
        ref = PromptRef(kind="box", index=item.prompt - texts)
    else:
        ref = PromptRef(kind="points", index=item.prompt - texts - boxes)
    return Track(
        id=number,
        label=item.label,
        prompt=ref,
        first_frame=item.first,
        last_frame=item.last,
        frames=item.frames,
        mean_score=item.scores / item.frames if item.frames else None,
        flags=item.flags,
    )
