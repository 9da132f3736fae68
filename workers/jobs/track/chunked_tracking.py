"""Tracks objects through a video in chunks, so that a job resumes after its worker died.

Track, bodies and multi-view objects jobs share it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.engines.protocols import FrameResult, Tracker, TrackPrompts, VideoFrame, finish_tracking
from workers.formats.images import encode_png
from workers.formats.overlay import overlay_masks
from workers.jobs.checkpoint import JobCheckpoint
from workers.jobs.context import JobContext
from workers.jobs.media_loader import LoadedVideo
from workers.jobs.track.mask_rows import Row, encode_rows, to_row

# frames per chunk and checkpoint; chosen, not measured
CHUNK_FRAMES = 48


@dataclass(slots=True)
class TrackSummary:
    """One track so far: its first and last frame, in how many frames it is, and the sum of its scores."""

    label: str | None
    prompt: int
    first: int
    last: int
    frames: int = 0
    scores: float = 0.0
    flags: list[str] = field(default_factory=list)

    @property
    def mean_score(self) -> float | None:
        """The mean score over the frames that the object is in."""
        return self.scores / self.frames if self.frames else None


@dataclass(slots=True)
class TrackingCheckpoint(JobCheckpoint):
    """The state of tracking between chunks. Checkpoints in the ledger have these field names.

    `start` is the frame that the passes begin on, `decoded` counts the frames of the current pass, `written`
    those in artefacts. `tracker` is the hash of the tracker's snapshot, and `ahead` counts the rows written
    since then, which the restored tracker gives again. `chunks` are the artefacts saved so
    far, `spans` the name, first and last frame of each `masks` artefact. A backward pass stores its rows in
    `spool`, by hash, until it is finished (`turned`) and they are written in ascending order; `ids` maps the
    objects of the forward pass to those of the backward pass.
    """

    start: int | None = None
    decoded: int = 0
    written: int = 0
    tracker: str | None = None
    ahead: int = 0
    chunks: list[dict[str, Any]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    tracks: dict[int, TrackSummary] = field(default_factory=dict)
    spool: list[str] = field(default_factory=list)
    turned: bool = False
    ids: dict[int, int] | None = None

    @classmethod
    def read_fields(cls, stored: dict[str, Any]) -> dict[str, Any]:
        """The values of the fields; JSON has made strings of integer keys."""
        tracks = {int(key): TrackSummary(**value) for key, value in stored["tracks"].items()}
        ids = stored["ids"] and {int(key): value for key, value in stored["ids"].items()}
        return {**stored, "tracks": tracks, "ids": ids}

    def add_rows(self, name: str, rows: Sequence[Row]) -> None:
        """Record the rows that were written as artefact `name`."""
        self.spans.append({"name": name, "first_frame": rows[0]["frame"], "last_frame": rows[-1]["frame"]})
        for row in rows:
            self.written += 1
            for item in row["objects"]:
                summary = self.tracks.setdefault(
                    item["id"], TrackSummary(item["label"], item["prompt"], row["frame"], row["frame"])
                )
                summary.last = row["frame"]
                summary.frames += 1
                summary.scores += item["score"]
                summary.flags = sorted({*summary.flags, *item["flags"]})


RowSink = Callable[[JobContext, Sequence[Row], TrackingCheckpoint], None]


def save_rows(context: JobContext, rows: Sequence[Row], checkpoint: TrackingCheckpoint) -> None:
    """Save rows in ascending order of frames as a `masks` artefact."""
    if rows:
        name = f"masks-{len(checkpoint.spans):05d}.jsonl"
        context.save(name, "masks", "application/jsonl", encode_rows(rows))
        checkpoint.add_rows(name, rows)


def spool_rows(context: JobContext, rows: Sequence[Row], checkpoint: TrackingCheckpoint) -> None:
    """Store rows of a backward pass until they can be written in ascending order."""
    if rows:
        checkpoint.spool.append(context.put(encode_rows(rows)))


@dataclass(slots=True, kw_only=True)
class ChunkedTracker:
    """Tracks through a video from where its checkpoint is, and calls `save` after every chunk.

    `rename` gives objects other ids. With `previews`, each chunk's first frame is shown in the progress.
    """

    context: JobContext
    checkpoint: TrackingCheckpoint
    save: Callable[[TrackingCheckpoint], object]
    sink: RowSink = save_rows
    rename: Callable[[FrameResult], FrameResult] | None = None
    previews: bool = True
    # how many rows that were written already are still to come again
    _repeated: int = field(default=0, init=False)

    def track(self, video: LoadedVideo, prompts: TrackPrompts, max_frames: int | None) -> None:
        """Track to the video's end, or through `max_frames` in total.

        `video` begins with the last frame that the checkpoint counts, which is skipped, or with the first.
        """
        context, checkpoint = self.context, self.checkpoint
        snapshot = context.get(checkpoint.tracker) if checkpoint.tracker else None
        tracker = context.engines.concepts().tracker(prompts, state=snapshot)
        rows: list[Row] = []
        self._repeated, kept = checkpoint.ahead, checkpoint.decoded
        # the forward pass of two begins on a frame that was shown already
        shown = not self.previews or (self.rename is not None and checkpoint.decoded == 0)
        overlap = min(checkpoint.decoded, 1)
        limit = None if max_frames is None else max_frames - checkpoint.decoded + overlap
        ahead = video.count_frames(limit)
        total = None if ahead is None else checkpoint.decoded - overlap + ahead
        with limit_frames(video, limit) as frames:
            for frame in islice(frames, overlap, None):
                time = frame.pts * video.time_base[0] / video.time_base[1]
                seen = VideoFrame(frame.index, frame.pts, frame.pixels, time)
                results = self._rename(tracker.step(seen))
                rows += self._to_new_rows(results)
                checkpoint.decoded += 1
                preview = None
                if not shown and results and results[-1].index == frame.index:
                    preview, shown = _save_preview(context, frame.pixels, results[-1]), True
                context.progress("track", checkpoint.decoded, total, preview=preview)
                if checkpoint.decoded % CHUNK_FRAMES == 0:
                    self._write(rows)
                    checkpoint.tracker = context.put(tracker.snapshot())
                    checkpoint.ahead, kept = self._repeated, checkpoint.decoded
                    self.save(checkpoint)
                    rows, shown = [], not self.previews
        self._finish(tracker, rows, kept, total)

    def _finish(self, tracker: Tracker, rows: list[Row], kept: int, total: int | None) -> None:
        """Write what the tracker holds back in chunks, too: some engines compute most of a clip only now.

        A tracker that finishes has no snapshot: the last one is of frame `kept`, and what was written since
        then is not written again.
        """
        checkpoint = self.checkpoint
        with finish_tracking(tracker) as results:
            for result in results:
                rows += self._to_new_rows(self._rename([result]))
                if len(rows) >= CHUNK_FRAMES:
                    self._write(rows)
                    checkpoint.ahead += len(rows)
                    self.save(replace(checkpoint, decoded=kept))
                    rows = []
                self.context.progress("track", checkpoint.decoded, total)
        self._write(rows)

    def _to_new_rows(self, results: Sequence[FrameResult]) -> list[Row]:
        """The rows of results, without those that were written before the worker died."""
        repeated = min(self._repeated, len(results))
        self._repeated -= repeated
        return [to_row(result) for result in results[repeated:]]

    def _write(self, rows: Sequence[Row]) -> None:
        self.sink(self.context, rows, self.checkpoint)
        self.checkpoint.chunks = dump_artefacts(self.context)

    def _rename(self, results: Sequence[FrameResult]) -> Sequence[FrameResult]:
        return results if self.rename is None else [self.rename(result) for result in results]


@contextmanager
def limit_frames(video: LoadedVideo, limit: int | None) -> Iterator[Iterator[DecodedFrame]]:
    """The frames of a video, `limit` at most; the decoder is free again after the `with` block."""
    with closing(video.frames) as frames:
        yield islice(frames, limit)


def dump_artefacts(context: JobContext) -> list[dict[str, Any]]:
    """The artefacts saved so far, for a checkpoint."""
    return [artefact.model_dump() for artefact in context.artefacts]


def _save_preview(context: JobContext, image: NDArray[np.uint8], result: FrameResult) -> str:
    overlay = overlay_masks(
        image,
        [item.mask for item in result.objects],
        [f"{item.id} {item.label or ''}".strip() for item in result.objects],
        [item.id for item in result.objects],
    )
    name = f"overlay-{result.index:05d}.png"
    return context.save(name, "overlay", "image/png", encode_png(overlay)).sha256
