"""Dataset: videos to clips, tracks and observations, in Parquet shards with a manifest."""

import json
import os
from collections import Counter
from importlib.metadata import version
from typing import Any

from maquette.contract import Artefact, DatasetJob, DatasetResult, Manifest, MediaRef
from maquette.contract.datasets import SourceInfo

from workers.datasets import plugins
from workers.datasets.clip_work import Tools
from workers.datasets.documents import MEDIA_TYPES, documents
from workers.datasets.errors import DatasetError
from workers.datasets.following import EngineTracks
from workers.datasets.pipeline import Pipeline
from workers.datasets.settings import Settings
from workers.datasets.source import Opened, Source
from workers.datasets.stages.colmap import solver
from workers.datasets.timing import timing
from workers.datasets.writing import Written, write
from workers.engines.protocols import ObjectEngine
from workers.errors import JobProblem
from workers.jobs.context import JobContext

# signs the manifests this worker makes; a secret of the operator
KEY = "MAQUETTE_DATASET_KEY"
FOLD = 64


class JobPorts:
    """The pipeline's world inside a job: its artefacts, and its checkpoint as memory."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.artefacts: dict[str, Artefact] = {}
        stored = context.job.checkpoint or {"folded": [], "recent": {}}
        self._folded: list[str] = stored["folded"]
        self._recent: dict[str, str] = stored["recent"]
        self._known: dict[str, str] = dict(self._recent)
        for sha256 in self._folded:
            self._known |= json.loads(context.stored(sha256))

    def progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Tell how far the job is; raises Stopped when it has to end."""
        self._context.progress(stage, done, total, message)

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Store a file of the result."""
        artefact = self._context.save(name, role, media_type, data)
        self.artefacts[name] = artefact
        return artefact.sha256

    def recall(self, key: str) -> bytes | None:
        """What an earlier attempt of this job has finished."""
        sha256 = self._known.get(key)
        return None if sha256 is None else self._context.stored(sha256)

    def remember(self, key: str, data: bytes) -> None:
        """Leave a checkpoint. Older memories are folded away, or checkpoints would grow with the job."""
        self._known[key] = self._recent[key] = self._context.put(data)
        if len(self._recent) >= FOLD:
            self._folded.append(self._context.put(json.dumps(self._recent).encode()))
            self._recent = {}
        self._context.checkpoint({"folded": self._folded, "recent": self._recent})


def run(context: JobContext, request: DatasetJob) -> Manifest:
    """Cut each video into clips, track the phrases in each, judge the tracks, write shards."""
    engine = context.engines.concepts()
    context.used(engine.info)
    engine.check(request.text)
    settings = Settings.of(request)
    objects = None
    if request.assets:
        objects = context.engines.objects()
        context.used(objects.info)
    ports = JobPorts(context)
    tools = _tools(request, EngineTracks(engine, settings), objects)
    infos = [engine.info] + ([objects.info] if objects else [])
    if tools.captioner is not None:
        context.used(tools.captioner.info)
        infos.append(tools.captioner.info)
    try:
        sources = _sources(context, request)
        built = Pipeline(ports, tools, settings).run(sources)
        context.progress("write", message="writing the tables")
        written = write(
            ports, built, settings, infos, version("maquette-server"), os.environ.get(KEY) or None
        )
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error
    if request.max_clips is not None:
        told = timing(built, written, tools.clock.seconds)
        ports.store("timing.json", "timing", "application/json", json.dumps(told, indent=1).encode())
    _finish(context, ports, written)
    kept = int(written.manifest.totals["tracks"])
    flags = {"nothing_found": not kept, "budget_reached": built.budget_reached}
    return context.manifest(
        _result(written),
        parameters=settings.as_json(),
        seed=request.seed,
        reason=None if kept else "no track passed the gates",
        flags=[name for name, true in flags.items() if true],
    )


def _tools(request: DatasetJob, maker: EngineTracks, objects: ObjectEngine | None) -> Tools:
    """The tools of a request; raises JobProblem for plug-ins this worker does not have."""
    try:
        return Tools(
            maker,
            objects,
            solver(),
            captioner=plugins.captioner(request.captioner),
            dynamics=plugins.inverse_dynamics(request.inverse_dynamics),
        )
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error


def _sources(context: JobContext, request: DatasetJob) -> list[Source]:
    infos = request.sources or [SourceInfo()] * len(request.videos)
    found = [_source(context, ref, info) for ref, info in zip(request.videos, infos, strict=True)]
    context.sources = list(dict.fromkeys(source.sha256 for source in found))
    return found


def _source(context: JobContext, ref: MediaRef, info: SourceInfo) -> Source:
    sha256, told = context.media(ref)
    if told["kind"] == "image" and (told.get("frames") or 1) < 2:
        raise JobProblem("not_a_video", "this job needs videos; one of the media is a still image")
    if info.camera is not None and (why := info.camera.implausible(told["width"], told["height"])):
        raise JobProblem("camera_implausible", f"the camera of source {sha256[:12]}: {why}")

    def opened(first: int, count: int | None) -> Opened:
        video = context.video(MediaRef(id=sha256), start=first, limit=count)
        return Opened(video.time_base, video.frames)

    return Source(
        sha256,
        told["width"],
        told["height"],
        told.get("frames"),
        told.get("frame_rate"),
        opened,
        info,
    )


def _finish(context: JobContext, ports: JobPorts, written: Written) -> None:
    """The artefacts are the version's files, those of an earlier attempt among them, and its documents."""
    for name, data in documents(written, context.stored).items():
        ports.store(name, "document", MEDIA_TYPES[name], data)
    listed = {
        file.name: Artefact(
            name=file.name,
            role="table" if file.rows is not None else "asset",
            sha256=file.sha256,
            media_type=file.media_type or "application/vnd.apache.parquet",
            bytes=file.bytes,
        )
        for file in written.manifest.all_files()
    }
    context.artefacts = list((listed | ports.artefacts).values())
    context.artefacts.sort(key=lambda artefact: artefact.name)


def _result(written: Written) -> DatasetResult:
    totals: Any = written.manifest.totals
    clips = [row for row in written.rows["clips"] if row.kept]
    return DatasetResult(
        version=written.manifest.version,
        clips=totals["clips"],
        frames=totals["frames"],
        tracks=totals["tracks"],
        observations=totals["observations"],
        rejected=dict(written.manifest.rejected),
        seconds=totals["seconds"],
        assets=totals["assets"],
        splits=dict(sorted(Counter(row.split for row in clips).items())),
        funnel=list(written.funnel),
        signed=written.signed,
    )
