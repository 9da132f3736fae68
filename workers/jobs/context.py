"""What a running job may use: its media, its engines, its artefacts, and the ledger's ear."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract import Artefact, EngineUsed, Manifest, MediaRef, Provenance
from maquette.contract.results import AnyResult
from numpy.typing import NDArray

from media.errors import MediaError
from media.fetch import fetch
from media.sandbox import Depths, Frames, Sandbox
from storage.artefacts import ArtefactStore
from storage.ledger import (
    Database,
    JobRow,
    PartRow,
    WorkerRow,
    WorkerSeconds,
    files,
    fleet,
    jobs,
    leases,
    parts,
)
from workers.engines.protocols import EngineInfo
from workers.engines.registry import EngineSet
from workers.errors import JobProblem, Stopped
from workers.heartbeat import Heartbeat
from workers.settings import WorkerSettings

URL_SECONDS = 300.0
# five million Gaussians with colours of degree 3 take 1.2 GB
MAX_ASSET_BYTES = 3 << 29


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image of the request or a frame of a video: upright sRGB (H, W, 3) uint8, its file's hash."""

    pixels: NDArray[np.uint8]
    sha256: str
    focal_35mm: float | None
    frame: int | None = None

    @property
    def key(self) -> str:
        """What names these pixels in caches."""
        return self.sha256 if self.frame is None else f"{self.sha256}#{self.frame}"

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class LoadedVideo:
    """A video of the request; `frames` decodes it from frame `first` on, one video at a time.

    Memory is constant; `frame_count` is what the container tells, None when it tells nothing.
    """

    sha256: str
    first: int
    width: int
    height: int
    frame_count: int | None
    frame_rate: float | None
    time_base: tuple[int, int]
    frames: Frames


class JobContext:
    """The world of one job."""

    def __init__(
        self,
        job: JobRow,
        heartbeat: Heartbeat,
        db: Database,
        store: ArtefactStore,
        engines: EngineSet,
        sandbox: Sandbox,
        settings: WorkerSettings | None = None,
    ) -> None:
        self.job = job
        self.settings = settings or WorkerSettings()
        self.engines = engines
        self.artefacts: list[Artefact] = []
        self.sources: list[str] = []
        self._announced = 0
        self._used: dict[str, EngineInfo] = {}
        # flags of media; those of a video's end come when its last frame was read
        self._media_flags: list[Sequence[str]] = []
        self._heartbeat = heartbeat
        self._db = db
        self._store = store
        self._sandbox = sandbox

    def progress(
        self,
        stage: str,
        done: int = 0,
        total: int | None = None,
        message: str | None = None,
        preview: str | None = None,
    ) -> None:
        """Tell how far the job is; raises Stopped when it has to end."""
        self._heartbeat.progress(
            {"stage": stage, "done": done, "total": total, "message": message, "preview": preview}
        )

    def media(self, ref: MediaRef) -> tuple[str, dict[str, Any]]:
        """The hash of a medium, fetched if need be, and what a probe told of it; raises MediaError."""
        sha256 = ref.id or self._fetched(str(ref.url))
        row = files.find_media(self._db, self.job.tenant, sha256)
        if row is None:
            raise MediaError("media_unknown", f"no upload has the id {sha256}; upload it first", 404)
        if sha256 not in self.sources:
            self.sources.append(sha256)
            self._media_flags.append(row.info.get("flags", ()))
        return sha256, row.info

    def image(self, ref: MediaRef) -> LoadedImage:
        """Decode an image of the request; raises MediaError."""
        sha256, info = self.media(ref)
        if info["kind"] != "image":
            raise JobProblem("not_an_image", f"this job needs an image; the medium is a {info['kind']}")
        decoded = self._sandbox.image(self._store.path(sha256))
        self._media_flags.append(decoded.flags)
        return LoadedImage(decoded.pixels, sha256, decoded.focal_35mm)

    def frame(self, ref: MediaRef, index: int) -> LoadedImage:
        """One frame of a video or an animation; raises MediaError."""
        video = self.video(ref, start=index, limit=1)
        # read to the end: a decoder that is stopped on the way has to be started again
        [frame] = list(video.frames)
        return LoadedImage(frame.pixels, video.sha256, None, index)

    def video(
        self,
        ref: MediaRef,
        *,
        start: int | None = None,
        backward: bool = False,
        limit: int | None = None,
    ) -> LoadedVideo:
        """Open a video or an animation of the request, at a frame and in a direction; raises MediaError."""
        sha256, info = self.media(ref)
        if info["kind"] not in ("image", "video"):
            raise JobProblem("not_a_video", f"this job needs a video; the medium is an {info['kind']}")
        animated = info["kind"] == "image"
        if animated and (info.get("frames") or 1) < 2:
            raise JobProblem(
                "not_a_video", "this job needs a video; the medium is a still image: use segment"
            )
        opened = self._sandbox.frames(
            self._store.path(sha256), animated=animated, start=start, backward=backward, limit=limit
        )
        self._media_flags.append(opened.flags)
        return LoadedVideo(
            sha256,
            opened.first,
            info["width"],
            info["height"],
            info.get("frames"),
            info.get("frame_rate"),
            opened.time_base,
            opened.frames,
        )

    def depth(self, ref: MediaRef) -> tuple[NDArray[np.float32], bool]:
        """The numbers of a depth map, (H, W) or (H, W, 3), and whether they are whole; raises MediaError."""
        sha256, info = self.media(ref)
        if info["kind"] not in ("image", "array") or (info["kind"] == "array" and info.get("frames")):
            raise JobProblem("not_a_depth_map", "'depth' needs an image or a NumPy file of one map")
        return self._sandbox.depth(self._store.path(sha256))

    def depths(self, ref: MediaRef, start: int, limit: int | None = None) -> Depths:
        """The maps of a video's depth from frame `start` on, beside its frames; raises MediaError."""
        sha256, info = self.media(ref)
        if info["kind"] != "video" and not (info["kind"] == "array" and info.get("frames")):
            raise JobProblem(
                "not_a_depth_map", "the depth of a video is a NumPy file of (T, H, W), or grey frames"
            )
        return self._sandbox.aside.depths(self._store.path(sha256), start=start, limit=limit)

    def asset(self, ref: MediaRef) -> bytes:
        """The bytes of a splat or a mesh: an upload, or an artefact of the tenant.

        Raises MediaError, and JobProblem for one that is no asset or over `MAX_ASSET_BYTES`.
        """
        if ref.id is not None:
            known = files.find_artefact(self._db, self.job.tenant, ref.id)
            if known is not None:
                self.sources.append(ref.id)
                return self._whole(ref.id)
        sha256, info = self.media(ref)
        if info["kind"] != "asset":
            raise JobProblem("not_an_asset", f"this job needs a splat or a mesh; it is a {info['kind']}")
        return self._whole(sha256)

    def _whole(self, sha256: str) -> bytes:
        size = self._store.size(sha256)
        if size > MAX_ASSET_BYTES:
            raise JobProblem("asset_too_large", f"{size} bytes; assets of {MAX_ASSET_BYTES} are read at most")
        return self._store.get(sha256)

    def save(self, name: str, role: str, media_type: str, data: bytes) -> Artefact:
        """Store a file of the result."""
        sha256 = self._store.put(data)
        files.add_artefact(self._db, self.job.tenant, sha256, media_type, len(data))
        artefact = Artefact(name=name, role=role, sha256=sha256, media_type=media_type, bytes=len(data))
        self.artefacts.append(artefact)
        return artefact

    def save_pieces(self, name: str, role: str, media_type: str, pieces: Iterable[bytes]) -> Artefact:
        """Store a file of the result piece by piece, for one that is too large to hold."""
        with self._store.writer() as writer:
            for piece in pieces:
                writer.write(piece)
            size, sha256 = writer.bytes, writer.commit()
        files.add_artefact(self._db, self.job.tenant, sha256, media_type, size)
        artefact = Artefact(name=name, role=role, sha256=sha256, media_type=media_type, bytes=size)
        self.artefacts.append(artefact)
        return artefact

    def stored(self, sha256: str) -> bytes:
        """The bytes of a stored artefact."""
        return self._store.get(sha256)

    def put(self, data: bytes) -> str:
        """Store bytes that are no part of the result (a checkpoint's state)."""
        return self._store.put(data)

    def restore(self, made: Sequence[dict[str, Any]]) -> None:
        """Take over the artefacts that an earlier attempt had saved by its last checkpoint."""
        self.artefacts.extend(Artefact.model_validate(item) for item in made)
        self._announced = len(self.artefacts)

    def checkpoint(self, state: dict[str, Any]) -> None:
        """Note where to go on from if this worker dies, and tell of the artefacts saved since the last time.

        Raises Stopped when the lease is lost.
        """
        self._heartbeat.check()
        made = [artefact.model_dump(mode="json") for artefact in self.artefacts[self._announced :]]
        if not leases.checkpoint(self._db, self.job, state, made):
            raise Stopped(leases.HeartbeatReply.LOST)
        self._announced = len(self.artefacts)

    def earlier(self, job_id: str) -> Manifest:
        """The manifest of a succeeded job of the same tenant."""
        row = jobs.get(self._db, self.job.tenant, job_id)
        if row is None or row.manifest_sha256 is None:
            raise JobProblem("source_not_ready", f"job {job_id} has no result to go on from", 409)
        return Manifest.model_validate_json(self._store.get(row.manifest_sha256))

    def outcomes(self, kind: str) -> dict[str, PartRow]:
        """What became of the parts of this job that are over, by their keys."""
        return parts.outcomes(self._db, self.job.id, kind)

    @property
    def upload_bytes(self) -> int:
        """The size of the largest medium."""
        return self._sandbox.limits.upload_bytes

    def adopt(self, file: Path) -> str:
        """Take a local file over as a medium of the tenant; gives its hash. Raises MediaError."""
        info = self._sandbox.probe(file)
        sha256 = self._store.put_file(file)
        files.add_media(self._db, self.job.tenant, sha256, {**info, "bytes": file.stat().st_size})
        return sha256

    def whole(self) -> JobRow:
        """The job that this one is a part of; raises Stopped when it is over."""
        row = parts.parent(self._db, self.job)
        if row is None:
            raise Stopped(leases.HeartbeatReply.LOST)
        return row

    def spent(self) -> WorkerSeconds:
        """What the parts of the job that this one is of took until now."""
        return parts.worker_seconds(self._db, str(self.job.parent))

    def queues(self) -> set[str]:
        """The queues that have workers."""
        return {row.queue for row in fleet.list_alive(self._db, parts.SEEN_SECONDS)}

    def serving(self, kind: str) -> list[WorkerRow]:
        """Workers seen lately that have an engine of a kind."""
        told = fleet.list_alive(self._db, parts.SEEN_SECONDS)
        return [row for row in told if any(e["kind"] == kind and e["available"] for e in row.engines)]

    def used(self, info: EngineInfo) -> None:
        """Note an engine for the provenance."""
        self._used[info.kind] = info

    def manifest(
        self,
        result: AnyResult,
        *,
        parameters: dict[str, Any],
        seed: int,
        reason: str | None = None,
        flags: list[str] | None = None,
        from_job: str | None = None,
    ) -> Manifest:
        """The manifest of this job's result."""
        engines = [
            EngineUsed(kind=i.kind, name=i.name, version=i.version, device=i.device, weights=dict(i.weights))
            for i in self._used.values()
        ]
        provenance = Provenance(
            code_version=version("maquette-server"),
            engines=engines,
            seed=seed,
            parameters=parameters,
            sources=self.sources,
            from_job=from_job,
        )
        return Manifest(
            result=result,
            artefacts=self.artefacts,
            provenance=provenance,
            flags=list(dict.fromkeys([*(flags or []), *chain.from_iterable(self._media_flags)])),
            reason=reason,
        )

    def _fetched(self, url: str) -> str:
        self.progress("fetch", message="fetching the medium")
        with self._store.writer() as writer:
            for chunk in fetch(url, self._sandbox.limits.upload_bytes, URL_SECONDS):
                writer.write(chunk)
                self._heartbeat.check()
            info = self._sandbox.probe(writer.flush())
            size = writer.bytes
            sha256 = writer.commit()
        files.add_media(self._db, self.job.tenant, sha256, {**info, "bytes": size})
        return sha256
