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
from workers.formats.images import encode_png
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedVideo

CHUNK_FRAMES = 48
Row = dict[str, Any]


@dataclass(slots=True)
class TrackSummary:
    """What is known of one track so far."""

    label: str | None
    prompt: int
    first: int
    last: int
    frames: int = 0
    scores: float = 0.0
    flags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TrackingCheckpoint:
    """The state of following between chunks; goes into checkpoints as JSON.

    `start` is the frame that the passes begin on, `decoded` counts the frames of the present pass. A backward
    pass keeps its lines in `spool`, by their hashes in the store, until it is `turned`; `ids` are what the
    second pass calls its objects in the result.
    """

    start: int | None = None
    decoded: int = 0
    written: int = 0
    tracker: str | None = None
    chunks: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    tracks: dict[int, TrackSummary] = field(default_factory=dict)
    spool: list[str] = field(default_factory=list)
    turned: bool = False
    ids: dict[int, int] | None = None


Rename = Callable[[FrameResult], FrameResult]


def track_in_chunks(
    context: JobContext,
    video: LoadedVideo,
    prompts: TrackPrompts,
    limit: int | None,
    state: TrackingCheckpoint,
    keep: Callable[[TrackingCheckpoint], None],
    *,
    previews: bool = True,
    spooled: bool = False,
    rename: Rename | None = None,
) -> None:
    """Follow the prompts from where `state` is to the video's end, or through `limit` frames in all.

    `video` begins with the last frame that `state` has seen, which is passed over, or with the first of all.
    Lines are JSON Lines artefacts of 48 frames each (`spooled`: bytes in the store); `keep` is called after
    each, to leave a checkpoint.
    """
    engine = context.engines.concepts()
    tracker = engine.tracker(prompts, state=context.get(state.tracker) if state.tracker else None)
    lines: list[Row] = []
    # a joined pass begins on a frame that has been shown
    previewed = not previews or (rename is not None and state.decoded == 0)
    put = spool if spooled else write

    def named(results: Sequence[FrameResult]) -> Sequence[FrameResult]:
        return results if rename is None else [rename(found) for found in results]

    seen = min(state.decoded, 1)
    with limit_frames(video, None if limit is None else limit - state.decoded + seen) as frames:
        for frame in islice(frames, seen, None):
            done = named(tracker.step(VideoFrame(frame.index, frame.pts, frame.pixels)))
            lines += [to_row(found) for found in done]
            state.decoded += 1
            preview = None
            if not previewed and done and done[-1].index == frame.index:
                preview, previewed = _preview(context, frame.pixels, done[-1]), True
            context.progress("track", state.decoded, video.frame_count, preview=preview)
            if state.decoded % CHUNK_FRAMES == 0:
                put(context, lines, state)
                state.tracker = context.put(tracker.snapshot())
                state.chunks = dump_artefacts(context)
                keep(state)
                lines, previewed = [], not previews
    lines += [to_row(found) for found in named(tracker.finish())]
    put(context, lines, state)
    state.chunks = dump_artefacts(context)


@contextmanager
def limit_frames(video: LoadedVideo, limit: int | None) -> Iterator[Iterator[DecodedFrame]]:
    """The frames of a video up to a limit, in a `with` block; the decoder is free again after it."""
    with closing(video.frames) as frames:
        yield islice(frames, limit)


def parse_checkpoint(stored: dict[str, Any]) -> TrackingCheckpoint:
    """A ledger from a checkpoint; JSON has made strings of its whole numbers."""
    tracks = {int(key): TrackSummary(**value) for key, value in stored["tracks"].items()}
    ids = stored["ids"] and {int(key): value for key, value in stored["ids"].items()}
    return TrackingCheckpoint(**{**stored, "tracks": tracks, "ids": ids})


def write(context: JobContext, rows: Sequence[Row], state: TrackingCheckpoint) -> None:
    """Save a chunk of lines, in ascending order of frames, and count what is in them."""
    if not rows:
        return
    name = f"masks-{len(state.spans):05d}.jsonl"
    context.save(name, "masks", "application/jsonl", _jsonl(rows))
    state.spans.append({"name": name, "first_frame": rows[0]["frame"], "last_frame": rows[-1]["frame"]})
    for row in rows:
        state.written += 1
        for item in row["objects"]:
            summary = state.tracks.setdefault(
                item["id"], TrackSummary(item["label"], item["prompt"], row["frame"], row["frame"])
            )
            summary.last = row["frame"]
            summary.frames += 1
            summary.scores += item["score"]
            summary.flags = sorted({*summary.flags, *item["flags"]})


def dump_artefacts(context: JobContext) -> list[dict[str, Any]]:
    """What has been saved so far, for a checkpoint."""
    return [artefact.model_dump() for artefact in context.artefacts]


def spool(context: JobContext, rows: Sequence[Row], state: TrackingCheckpoint) -> None:
    """Keep lines of a backward pass in the store, until they can be written in order."""
    if rows:
        state.spool.append(context.put(_jsonl(rows)))


def to_row(result: FrameResult) -> Row:
    """A frame's line."""
    objects = [
        {
            "id": item.id,
            "label": item.label,
            "prompt": item.prompt,
            "box": [round(value, 3) for value in item.box],
            "score": round(item.score, 5),
            "mask": rle.encode_mask(item.mask),
            "flags": list(item.flags),
        }
        for item in result.objects
    ]
    return {"frame": result.index, "pts": result.pts, "objects": objects}


def _jsonl(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()


def _preview(context: JobContext, image: NDArray[np.uint8], result: FrameResult) -> str:
    picture = overlay.overlay_masks(
        image,
        [item.mask for item in result.objects],
        [f"{item.id} {item.label or ''}".strip() for item in result.objects],
        [item.id for item in result.objects],
    )
    name = f"overlay-{result.index:05d}.png"
    return context.save(name, "overlay", "image/png", encode_png(picture)).sha256
