"""The pipeline's world inside a job or a part of it: artefacts, memory, tools and sources."""

import json
from dataclasses import replace

from maquette.contract import Artefact, DatasetJob, MediaRef
from maquette.contract.datasets import SourceInfo

from workers.datasets import plugins
from workers.datasets.clip_work import Tools
from workers.datasets.errors import DatasetError
from workers.datasets.following import EngineTracks
from workers.datasets.ports import TrackMaker
from workers.datasets.settings import Settings
from workers.datasets.source import Opened, Source
from workers.datasets.stages.cameras import intrinsics
from workers.datasets.stages.colmap import solver
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset_depths import DepthWalk, fits

FOLD = 64


class JobPorts:
    """Artefacts of a job, and its checkpoint as memory."""

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

    def stored(self, sha256: str) -> bytes:
        """The content of a file that was stored."""
        return self._context.stored(sha256)

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


def tools_of(
    context: JobContext, request: DatasetJob, settings: Settings, maker: TrackMaker | None = None
) -> Tools:
    """The tools that clips need, with this worker's engine unless another has followed already.

    Raises JobProblem for plug-ins this worker does not have.
    """
    if maker is None:
        engine = context.engines.concepts()
        engine.check(request.text)
        maker = EngineTracks(engine, settings)
    try:
        return Tools(
            maker,
            solver=solver(),
            captioner=plugins.captioner(request.captioner),
            dynamics=plugins.inverse_dynamics(request.inverse_dynamics),
        )
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error


def source_of(context: JobContext, ref: MediaRef, info: SourceInfo) -> Source:
    """A video of the request; raises JobProblem for what is none, and for a camera that does not fit it."""
    sha256, told = context.media(ref)
    if told["kind"] == "image" and (told.get("frames") or 1) < 2:
        raise JobProblem("not_a_video", "this job needs videos; one of the media is a still image")
    if info.depth is not None:
        fits(context, info.depth, told["width"], told["height"])
    if info.camera is not None and (why := info.camera.why_implausible(told["width"], told["height"])):
        raise JobProblem("camera_implausible", f"the camera of source {sha256[:12]}: {why}")

    def opened(first: int, count: int | None) -> Opened:
        video = context.video(MediaRef(id=sha256), start=first, limit=count)
        return Opened(video.time_base, video.frames)

    source = Source(
        sha256,
        told["width"],
        told["height"],
        told.get("frames"),
        told.get("frame_rate"),
        opened,
        info,
    )
    if (depth := info.depth) is None:
        return source
    camera = intrinsics(source, source.width, source.height)
    return replace(source, depth=lambda first, last: DepthWalk(context, depth, camera, first, last))
