"""What a dataset job and its parts work with: files and cache of the job, components, and sources."""

import json
from dataclasses import replace

from maquette.contract import Artefact, DatasetJob, MediaRef
from maquette.contract.datasets import SourceInfo

from workers.datasets import plugins
from workers.datasets.cameras.clip_camera import build_intrinsics
from workers.datasets.cameras.colmap_solver import load_solver
from workers.datasets.components import Components
from workers.datasets.errors import DatasetError
from workers.datasets.protocols import TrackSource
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source, SourceFrames
from workers.datasets.track_sources import EngineTracks
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.source_depths import SourceDepthReader, check_depth_size

# cache entries in a checkpoint before they are moved to a file of their own; chosen, not measured
MOST_RECENT = 64


class JobWorkspace:
    """Files are artefacts of the job, and the cache is its checkpoint."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.artefacts: dict[str, Artefact] = {}
        stored = context.job.checkpoint or {"folded": [], "recent": {}}
        self._folded: list[str] = stored["folded"]
        self._recent: dict[str, str] = stored["recent"]
        self._cache: dict[str, str] = dict(self._recent)
        for sha256 in self._folded:
            self._cache |= json.loads(context.get(sha256))

    def report_progress(self, stage: str, done: int, total: int | None, message: str | None = None) -> None:
        """Report how far the job is; raises Stopped when it has to end."""
        self._context.progress(stage, done, total, message)

    def store(self, name: str, role: str, media_type: str, data: bytes) -> str:
        """Store a file of the result."""
        artefact = self._context.save(name, role, media_type, data)
        self.artefacts[name] = artefact
        return artefact.sha256

    def load(self, sha256: str) -> bytes:
        """The content of a stored file."""
        return self._context.get(sha256)

    def get_cached(self, key: str) -> bytes | None:
        """What this or an earlier attempt of the job kept under a key."""
        sha256 = self._cache.get(key)
        return None if sha256 is None else self._context.get(sha256)

    def put_cached(self, key: str, data: bytes) -> None:
        """Save a checkpoint; older entries move to files, or checkpoints would grow with the job."""
        self._cache[key] = self._recent[key] = self._context.put(data)
        if len(self._recent) >= MOST_RECENT:
            self._folded.append(self._context.put(json.dumps(self._recent).encode()))
            self._recent = {}
        self._context.save_checkpoint({"folded": self._folded, "recent": self._recent})


def load_engine_tracks(context: JobContext, request: DatasetJob, settings: DatasetSettings) -> EngineTracks:
    """The concept engine of this worker; raises EngineUnavailable, UnknownPhrase."""
    engine = context.engines.concepts()
    engine.check(request.text)
    return EngineTracks(engine, settings)


def load_components(request: DatasetJob, track_source: TrackSource) -> Components:
    """What the stages of clips need; raises JobProblem for plug-ins that this worker does not have."""
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
    """A video of the request; raises JobProblem for another medium, or a camera or depth of another size."""
    sha256, media = context.media.resolve(ref)
    if media["kind"] == "image" and (media.get("frames") or 1) < 2:
        raise JobProblem("not_a_video", "this job needs videos; one of the media is a still image")
    if info.depth is not None:
        check_depth_size(context, info.depth, media["width"], media["height"])
    if info.camera is not None and (why := info.camera.why_implausible(media["width"], media["height"])):
        raise JobProblem("camera_implausible", f"the camera of source {sha256[:12]}: {why}")

    def open_frames(first: int, count: int | None) -> SourceFrames:
        video = context.media.open_video(MediaRef(id=sha256), start=first, limit=count)
        return SourceFrames(video.time_base, video.frames)

    source = Source(
        sha256=sha256,
        width=media["width"],
        height=media["height"],
        frame_count=media.get("frames"),
        frame_rate=media.get("frame_rate"),
        open=open_frames,
        info=info,
        flags=tuple(media.get("flags", ())),
    )
    if (depth := info.depth) is None:
        return source
    camera = build_intrinsics(source, source.width, source.height)
    return replace(source, depth=lambda first, last: SourceDepthReader(context, depth, camera, first, last))
