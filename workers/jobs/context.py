"""What a running job may use: its media, its engines, its artefacts, and the ledger's ear."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from maquette.contract import Artefact, EngineUsed, Manifest, MediaRef, Provenance
from maquette.contract.results import AnyResult
from numpy.typing import NDArray

from media.errors import MediaError
from media.fetch import fetch
from media.sandbox import Frames, Sandbox
from storage.artefacts import ArtefactStore
from storage.ledger import Database, JobRow, files, jobs, leases
from workers.engines.protocols import EngineInfo
from workers.engines.registry import EngineSet
from workers.errors import JobProblem, Stopped
from workers.heart import Heart

URL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image of the request: upright sRGB pixels (H, W, 3) uint8 and the hash of its file."""

    pixels: NDArray[np.uint8]
    sha256: str
    focal_35mm: float | None

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class LoadedVideo:
    """A video of the request; `frames` decodes it from the start, in constant memory, one video at a time."""

    sha256: str
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
        heart: Heart,
        db: Database,
        store: ArtefactStore,
        engines: EngineSet,
        sandbox: Sandbox,
    ) -> None:
        self.job = job
        self.engines = engines
        self.artefacts: list[Artefact] = []
        self.sources: list[str] = []
        self._used: dict[str, EngineInfo] = {}
        self._heart = heart
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
        self._heart.progress(
            {"stage": stage, "done": done, "total": total, "message": message, "preview": preview}
        )

    def image(self, ref: MediaRef) -> LoadedImage:
        """Decode an image of the request; raises MediaError."""
        sha256, info = self._media(ref)
        if info["kind"] != "image":
            raise JobProblem("not_an_image", "this job needs an image; the medium is a video: use track")
        decoded = self._sandbox.image(self._store.path(sha256))
        return LoadedImage(decoded.pixels, sha256, decoded.focal_35mm)

    def video(self, ref: MediaRef) -> LoadedVideo:
        """Open a video or an animation of the request; raises MediaError."""
        sha256, info = self._media(ref)
        animated = info["kind"] == "image"
        if animated and (info.get("frames") or 1) < 2:
            raise JobProblem(
                "not_a_video", "this job needs a video; the medium is a still image: use segment"
            )
        base, frames = self._sandbox.frames(self._store.path(sha256), animated=animated)
        return LoadedVideo(
            sha256,
            info["width"],
            info["height"],
            info.get("frames"),
            info.get("frame_rate"),
            base,
            frames,
        )

    def save(self, name: str, role: str, media_type: str, data: bytes) -> Artefact:
        """Store a file of the result."""
        sha256 = self._store.put(data)
        files.add_artefact(self._db, self.job.tenant, sha256, media_type, len(data))
        artefact = Artefact(name=name, role=role, sha256=sha256, media_type=media_type, bytes=len(data))
        self.artefacts.append(artefact)
        return artefact

    def stored(self, sha256: str) -> bytes:
        """The bytes of a stored artefact."""
        return self._store.get(sha256)

    def put(self, data: bytes) -> str:
        """Store bytes that are no part of the result (a checkpoint's state)."""
        return self._store.put(data)

    def checkpoint(self, state: dict[str, Any]) -> None:
        """Note where to go on from if this worker dies; raises Stopped when the lease is lost."""
        self._heart.check()
        if not leases.checkpoint(self._db, self.job, state):
            raise Stopped(leases.Order.LOST)

    def earlier(self, job_id: str) -> Manifest:
        """The manifest of a succeeded job of the same tenant."""
        row = jobs.get(self._db, self.job.tenant, job_id)
        if row is None or row.manifest_sha256 is None:
            raise JobProblem("source_not_ready", f"job {job_id} has no result to go on from", 409)
        return Manifest.model_validate_json(self._store.get(row.manifest_sha256))

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
            flags=flags or [],
            reason=reason,
        )

    def _media(self, ref: MediaRef) -> tuple[str, dict[str, Any]]:
        sha256 = ref.id or self._fetched(str(ref.url))
        row = files.find_media(self._db, self.job.tenant, sha256)
        if row is None:
            raise MediaError("media_unknown", f"no upload has the id {sha256}; upload it first", 404)
        if sha256 not in self.sources:
            self.sources.append(sha256)
        return sha256, row.info

    def _fetched(self, url: str) -> str:
        self.progress("fetch", message="fetching the medium")
        with self._store.writer() as writer:
            for chunk in fetch(url, self._sandbox.limits.upload_bytes, URL_SECONDS):
                writer.write(chunk)
                self._heart.check()
            info = self._sandbox.probe(writer.flush())
            size = writer.bytes
            sha256 = writer.commit()
        files.add_media(self._db, self.job.tenant, sha256, {**info, "bytes": size})
        return sha256
