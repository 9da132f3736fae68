"""Objects followed through a video in chunks that survive a killed worker: what track and bodies share."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.engines.protocols import FrameResult, TrackPrompts, VideoFrame
from workers.formats import overlay, rle
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
    """The state of following between chunks; goes into checkpoints as JSON."""

    decoded: int = 0
    written: int = 0
    tracker: str | None = None
    chunks: list[dict[str, Any]] = field(default_factory=list)
    tracks: dict[int, Summary] = field(default_factory=dict)


def follow(
    context: JobContext,
    video: LoadedVideo,
    prompts: TrackPrompts,
    limit: int | None,
    state: Ledger,
    keep: Callable[[Ledger], None],
    *,
    previews: bool = True,
) -> None:
    """Follow the prompts from where `state` is to the end, or to frame `limit`.

    Masks are JSON Lines artefacts of 48 frames each; `keep` is called after each, to leave a checkpoint.
    """
    engine = context.engines.concepts()
    tracker = engine.tracker(prompts, state=context.stored(state.tracker) if state.tracker else None)
    lines: list[str] = []
    previewed = not previews
    with wanted(video, limit) as frames:
        for frame in frames:
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
                keep(state)
                lines, previewed = [], not previews
    lines += _lines(tracker.finish(), state)
    if lines:
        _write(context, lines, state)


@contextmanager
def wanted(video: LoadedVideo, limit: int | None) -> Iterator[Iterator[DecodedFrame]]:
    """The frames of a video up to a limit, in a `with` block; the decoder is free again after it."""
    with closing(video.frames) as frames:
        yield islice(frames, limit)


def restore(stored: dict[str, Any]) -> Ledger:
    """A ledger from a checkpoint; `chunks` lists the artefacts that were saved until then."""
    tracks = {int(key): Summary(**value) for key, value in stored["tracks"].items()}
    return Ledger(stored["decoded"], stored["written"], stored["tracker"], stored["chunks"], tracks)


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
