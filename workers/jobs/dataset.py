"""Dataset: videos to clips, tracks and observations, in Parquet shards with a manifest."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from maquette.contract import Artefact, DatasetJob, DatasetResult, Manifest, MediaRef

from workers.datasets import tables
from workers.datasets.clips import ClipBuilder, ClipRows
from workers.jobs.context import JobContext

PARQUET = "application/vnd.apache.parquet"
SCHEMA_VERSION = 1


@dataclass(slots=True)
class Built:
    """What is done so far; goes into checkpoints as JSON."""

    video: int = 0
    next_frame: int = 0
    clips: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    observations: int = 0
    artefacts: list[dict[str, Any]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def run(context: JobContext, request: DatasetJob) -> Manifest:
    """Cut each video into clips, track the phrases in each, judge the tracks, write shards."""
    engine = context.engines.concepts()
    context.used(engine.info)
    engine.check(request.text)
    built = _restore(context)
    for number in range(built.video, len(request.videos)):
        _video(context, request, number, built)
        built.video, built.next_frame = number + 1, 0
    for name, columns, rows in (
        ("clips", tables.CLIPS, built.clips),
        ("tracks", tables.TRACKS, built.tracks),
        ("decisions", tables.DECISIONS, built.decisions),
    ):
        context.save(f"{name}.parquet", "table", PARQUET, tables.parquet(columns, rows))
    frames = sum(clip["frames"] for clip in built.clips)
    version = _manifest(context, request, built, frames)
    kept = sum(track["kept"] for track in built.tracks)
    rejected: dict[str, int] = {}
    for decision in built.decisions:
        if not decision["passed"]:
            rejected[decision["gate"]] = rejected.get(decision["gate"], 0) + 1
    result = DatasetResult(
        version=version,
        clips=len(built.clips),
        frames=frames,
        tracks=kept,
        observations=built.observations,
        rejected=rejected,
    )
    context.sources = built.sources
    return context.manifest(
        result,
        parameters=request.model_dump(mode="json", include={"text", "threshold", "clip_seconds", "size"}),
        seed=request.seed,
        reason=None if kept else "no track passed the gates",
        flags=[] if kept else ["nothing_found"],
    )


def _video(context: JobContext, request: DatasetJob, number: int, built: Built) -> None:
    ref: MediaRef = request.videos[number]
    video = context.video(ref)
    if video.sha256 not in built.sources:
        built.sources.append(video.sha256)
    base = video.time_base
    seconds_per_tick = base[0] / base[1]
    builder: ClipBuilder | None = None
    clip_end = 0.0
    for frame in video.frames:
        if frame.index < built.next_frame:
            continue
        time = frame.pts * seconds_per_tick
        if builder is not None and time >= clip_end - 1e-9:
            _store(context, builder.finish(), built, frame.index)
            builder = None
        if builder is None:
            builder = ClipBuilder(context.engines.concepts(), request, len(built.clips), video.sha256, base)
            clip_end = time + request.clip_seconds
        builder.add(frame)
        message = f"video {number + 1} of {len(request.videos)}"
        context.progress("clips", frame.index + 1, video.frame_count, message)
    if builder is not None:
        _store(context, builder.finish(), built, -1)


def _store(context: JobContext, rows: ClipRows, built: Built, next_frame: int) -> None:
    number = rows.clip["clip"]
    frames = tables.parquet(tables.FRAMES, rows.frames)
    context.save(f"frames-{number:05d}.parquet", "table", PARQUET, frames)
    observations = tables.parquet(tables.OBSERVATIONS, rows.observations)
    context.save(f"observations-{number:05d}.parquet", "table", PARQUET, observations)
    built.clips.append(rows.clip)
    built.tracks += rows.tracks
    built.decisions += rows.decisions
    built.observations += len(rows.observations)
    built.next_frame = next_frame
    built.artefacts = [artefact.model_dump() for artefact in context.artefacts]
    state = asdict(built)
    if next_frame < 0:
        state["video"], state["next_frame"] = built.video + 1, 0
    context.checkpoint(state)


def _manifest(context: JobContext, request: DatasetJob, built: Built, frames: int) -> str:
    """The dataset's own manifest; its hash is the version."""
    content = {
        "schema": "maquette.dataset",
        "schema_version": SCHEMA_VERSION,
        "text": request.text,
        "clip_seconds": request.clip_seconds,
        "size": request.size,
        "clips": len(built.clips),
        "frames": frames,
        "sources": sorted(built.sources),
        "files": sorted(
            ({"name": a.name, "sha256": a.sha256, "bytes": a.bytes} for a in context.artefacts),
            key=lambda item: str(item["name"]),
        ),
    }
    data = json.dumps(content, indent=1, sort_keys=True).encode()
    return context.save("dataset.json", "dataset", "application/json", data).sha256


def _restore(context: JobContext) -> Built:
    stored = context.job.checkpoint
    if stored is None:
        return Built()
    context.artefacts.extend(Artefact.model_validate(item) for item in stored["artefacts"])
    return Built(**stored)
