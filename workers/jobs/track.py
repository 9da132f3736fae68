"""Track: a video and prompts to objects with stable ids, in chunks that survive a killed worker."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from maquette.contract import Artefact, Manifest, PromptRef, Track, TrackJob, TrackResult
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame
from workers.formats import overlay, rle
from workers.jobs import prompting
from workers.jobs.context import JobContext, LoadedVideo

CHUNK_FRAMES = 48


@dataclass(slots=True)
class Summary:
    """What is known of one track so far."""

    label: str | None
    prompt: int
    first: int
    last: int
    frames: int = 0
    scores: float = 0.0
    flags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """The state of a track job between chunks; goes into checkpoints as JSON."""

    decoded: int = 0
    written: int = 0
    tracker: str | None = None
    chunks: list[dict[str, Any]] = field(default_factory=list)
    tracks: dict[int, Summary] = field(default_factory=dict)


def run(context: JobContext, request: TrackJob) -> Manifest:
    """Follow the objects; masks are JSON Lines artefacts of 48 frames each."""
    engine = context.engines.concepts()
    context.used(engine.info)
    engine.check(request.text)
    video = context.video(request.video)
    prompting.check_inside(request.boxes, request.points, video.width, video.height)
    state = _restore(context)
    prompts = TrackPrompts(
        tuple(request.text),
        tuple(prompting.clicks_of(request.boxes, request.points)),
        request.threshold,
    )
    tracker = engine.tracker(prompts, state=context.stored(state.tracker) if state.tracker else None)
    lines: list[str] = []
    previewed = False
    for frame in _wanted(video, request.max_frames):
        if frame.index < state.decoded:
            continue
        done = tracker.step(VideoFrame(frame.index, frame.pts, frame.pixels))
        lines += _lines(done, state)
        state.decoded = frame.index + 1
        preview = None
        if not previewed and done and done[-1].index == frame.index:
            preview, previewed = _preview(context, frame.pixels, done[-1]), True
        context.progress("track", state.decoded, video.frame_count, preview=preview)
        if state.decoded % CHUNK_FRAMES == 0:
            _write(context, lines, state)
            state.tracker = context.put(tracker.snapshot())
            context.checkpoint(asdict(state))
            lines, previewed = [], False
    lines += _lines(tracker.finish(), state)
    if lines:
        _write(context, lines, state)
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


def _wanted(video: LoadedVideo, limit: int | None) -> Iterator[DecodedFrame]:
    for frame in video.frames:
        if limit is not None and frame.index >= limit:
            return
        yield frame


def _write(context: JobContext, lines: list[str], state: Ledger) -> None:
    number = sum(item["role"] == "masks" for item in state.chunks)
    name = f"masks-{number:05d}.jsonl"
    context.save(name, "masks", "application/jsonl", "".join(lines).encode())
    state.chunks = [artefact.model_dump() for artefact in context.artefacts]


def _lines(results: Sequence[FrameResult], state: Ledger) -> list[str]:
    lines = []
    for result in results:
        objects = []
        for item in result.objects:
            summary = state.tracks.setdefault(
                item.id, Summary(item.label, item.prompt, result.index, result.index)
            )
            summary.last = result.index
            summary.frames += 1
            summary.scores += item.score
            summary.flags = sorted({*summary.flags, *item.flags})
            objects.append(
                {
                    "id": item.id,
                    "box": [round(value, 3) for value in item.box],
                    "score": round(item.score, 5),
                    "mask": rle.encode_mask(item.mask),
                    "flags": list(item.flags),
                }
            )
        line = {"frame": result.index, "pts": result.pts, "objects": objects}
        lines.append(json.dumps(line, separators=(",", ":")) + "\n")
        state.written += 1
    return lines


def _preview(context: JobContext, image: NDArray[np.uint8], result: FrameResult) -> str:
    picture = overlay.overlay(
        image,
        [item.mask for item in result.objects],
        [f"{item.id} {item.label or ''}".strip() for item in result.objects],
        [item.id for item in result.objects],
    )
    name = f"overlay-{result.index:05d}.png"
    return context.save(name, "overlay", "image/png", overlay.png(picture)).sha256


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


def _restore(context: JobContext) -> Ledger:
    stored = context.job.checkpoint
    if stored is None:
        return Ledger()
    tracks = {int(key): Summary(**value) for key, value in stored["tracks"].items()}
    context.artefacts.extend(Artefact.model_validate(item) for item in stored["chunks"])
    return Ledger(stored["decoded"], stored["written"], stored["tracker"], stored["chunks"], tracks)
