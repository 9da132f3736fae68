"""The pipeline's world inside a job or a part of it: artefacts, memory, components and sources."""

import json
from dataclasses import replace

from maquette.contract import Artefact, DatasetJob, MediaRef
from maquette.contract.datasets import SourceInfo

from workers.datasets import plugins
from workers.datasets.cameras.clip_camera import build_camera
from workers.datasets.cameras.colmap_solver import load_solver
from workers.datasets.clip_work import Components
from workers.datasets.errors import DatasetError
from workers.datasets.protocols import TrackSource
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source, SourceFrames
from workers.datasets.track_sources import EngineTracks
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset_depths import SourceDepthReader, check_depth_size

FOLD = 64


class JobWorkspace:
    """Artefacts of a job, and its checkpoint as memory."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.artefacts: dict[str, Artefact] = {}
        stored = context.job.checkpoint or {"folded": [], "recent": {}}
        self._folded: list[str] = stored["folded"]
        self._recent: dict[str, str] = stored["recent"]
        self._known: dict[str, str] = dict(self._recent)
        for sha256 in self._folded:
            self._known |= json.loads(context.get(sha256))

    def report_progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Tell how far the job is; raises Stopped when it has to end."""
        self._context.progress(stage, done, total, message)

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Store a file of the result."""
        artefact = self._context.save(name, role, media_type, data)
        self.artefacts[name] = artefact
        return artefact.sha256

    def load(self, sha256: str) -> bytes:
        """The content of a file that was stored."""
        return self._context.get(sha256)

    def get_cached(self, key: str) -> bytes | None:
        """What an earlier attempt of this job has finished."""
        sha256 = self._known.get(key)
        return None if sha256 is None else self._context.get(sha256)

    def put_cached(self, key: str, data: bytes) -> None:
        """Leave a checkpoint. Older memories are folded away, or checkpoints would grow with the job."""
        self._known[key] = self._recent[key] = self._context.put(data)
        if len(self._recent) >= FOLD:
            self._folded.append(self._context.put(json.dumps(self._recent).encode()))
            self._recent = {}
        self._context.save_checkpoint({"folded": self._folded, "recent": self._recent})


def load_components(
    context: JobContext,
    request: DatasetJob,
    settings: DatasetSettings,
    track_source: TrackSource | None = None,
) -> Components:
    """The components that clips need, with this worker's engine unless another has followed already.

    Raises JobProblem for plug-ins this worker does not have.
    """
    if track_source is None:
        engine = context.engines.concepts()
        engine.check(request.text)
        track_source = EngineTracks(engine, settings)
    try:
        return Components(
            track_source,
            solver=load_solver(),
            captioner=plugins.load_captioner(request.captioner),
            dynamics=plugins.load_inverse_dynamics(request.inverse_dynamics),
        )
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error


def open_source(context: JobContext, ref: MediaRef, info: SourceInfo) -> Source:
    """A video of the request; raises JobProblem for what is none, and for a camera that does not fit it."""
    sha256, told = context.media.resolve(ref)
    if told["kind"] == "image" and (told.get("frames") or 1) < 2:
        raise JobProblem("not_a_video", "this job needs videos; one of the media is a still image")
    if info.depth is not None:
        check_depth_size(context, info.depth, told["width"], told["height"])
    if info.camera is not None and (why := info.camera.why_implausible(told["width"], told["height"])):
        raise JobProblem("camera_implausible", f"the camera of source {sha256[:12]}: {why}")

    def opened(first: int, count: int | None) -> SourceFrames:
        video = context.media.open_video(MediaRef(id=sha256), start=first, limit=count)
        return SourceFrames(video.time_base, video.frames)

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
    camera = build_camera(source, source.width, source.height)
    return replace(source, depth=lambda first, last: SourceDepthReader(context, depth, camera, first, last))
