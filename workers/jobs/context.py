"""What a running job may use: its media, engines, artefacts, checkpoints and parts."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from maquette.contract import Artefact, EngineUsed, Manifest, Provenance
from maquette.contract.results import AnyResult

from media.sandbox import Sandbox
from storage.artefacts import ArtefactStore
from storage.ledger import Database, JobRow, blobs, jobs, leases, stage_results
from storage.ledger.stage_results import StageResult
from workers.engines.protocols import EngineInfo
from workers.engines.registry import EngineSet
from workers.errors import JobProblem, Stopped
from workers.heartbeat import Heartbeat
from workers.jobs.claims import claim_file
from workers.jobs.job_parts import JobParts
from workers.jobs.media_loader import MediaLoader
from workers.pipeline.stats import PipelineStats, StageClock
from workers.settings import WorkerSettings

MANIFEST_TYPE = "application/vnd.maquette.manifest+json"


class JobContext:
    """One running job and everything it may use."""

    def __init__(
        self,
        job: JobRow,
        heartbeat: Heartbeat,
        db: Database,
        store: ArtefactStore,
        engines: EngineSet,
        sandbox: Sandbox,
        settings: WorkerSettings | None = None,
        stats: PipelineStats | None = None,
    ) -> None:
        """`stats` counts the seconds of the job's stages."""
        self.job = job
        self.settings = settings or WorkerSettings()
        self.engines = engines
        self.media = MediaLoader(
            db,
            store,
            sandbox,
            job,
            progress=self.progress,
            check=heartbeat.check,
            max_stored_bytes=self.settings.max_stored_bytes,
        )
        self.parts = JobParts(db, job)
        self.artefacts: list[Artefact] = []
        self._announced = 0
        self._engines_used: dict[str, EngineInfo] = {}
        self._heartbeat = heartbeat
        self._db = db
        self._store = store
        self._clock = StageClock(stats or PipelineStats(), job.kind)

    def progress(
        self,
        stage: str,
        done: int = 0,
        total: int | None = None,
        message: str | None = None,
        preview: str | None = None,
    ) -> None:
        """Report progress; raises Stopped when the job has to end."""
        self._clock.enter(stage)
        self._heartbeat.progress(
            {"stage": stage, "done": done, "total": total, "message": message, "preview": preview}
        )

    def save(self, name: str, role: str, media_type: str, data: bytes) -> Artefact:
        """Store a file of the result."""
        sha256 = self._store.put(data, partial(self._claim, blobs.RESULT, media_type))
        return self._add_artefact(name, role, media_type, sha256, len(data))

    def save_chunks(self, name: str, role: str, media_type: str, chunks: Iterable[bytes]) -> Artefact:
        """Store a file of the result that is too large to hold in memory."""
        with self._store.writer() as writer:
            for chunk in chunks:
                writer.write(chunk)
            size, sha256 = writer.bytes, writer.commit(partial(self._claim, blobs.RESULT, media_type))
        return self._add_artefact(name, role, media_type, sha256, size)

    def hold(self, artefact: Artefact) -> bool:
        """Keep a file of an earlier job for the result of this one; False where it is gone already."""
        self._claim(blobs.RESULT, artefact.media_type, artefact.sha256, artefact.bytes)
        return self._store.has(artefact.sha256)

    def get(self, sha256: str) -> bytes:
        """The bytes of a stored artefact."""
        return self._store.get(sha256)

    def put(self, data: bytes) -> str:
        """Store bytes that are not part of the result, such as a checkpoint's state; returns their hash."""
        return self._store.put(data, partial(self._claim, blobs.SCRATCH, None))

    def end(self) -> None:
        """The job's work is done: its last stage has ended."""
        self._clock.end()

    def put_manifest(self, data: bytes) -> str:
        """Store the manifest of this job; returns its hash."""
        return self._store.put(data, partial(self._claim, blobs.RESULT, MANIFEST_TYPE))

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Store where to resume if this worker dies, and announce the artefacts saved since the last time.

        Raises Stopped when the lease is lost.
        """
        self._heartbeat.check()
        new = [artefact.model_dump(mode="json") for artefact in self.artefacts[self._announced :]]
        if not leases.checkpoint(self._db, self.job, state, new):
            raise Stopped(leases.HeartbeatReply.LOST)
        self._announced = len(self.artefacts)

    def restore_artefacts(self, saved: Sequence[dict[str, Any]]) -> None:
        """Take over the artefacts that an earlier attempt had saved by its last checkpoint."""
        self.artefacts.extend(Artefact.model_validate(item) for item in saved)
        self._announced = len(self.artefacts)

    def load_manifest(self, job_id: str) -> Manifest:
        """The manifest of a succeeded job of the same tenant; raises JobProblem (`source_not_ready`)."""
        row = jobs.get(self._db, self.job.tenant, job_id)
        if row is None or row.manifest_sha256 is None:
            raise JobProblem("source_not_ready", f"job {job_id} has no result to continue from", 409)
        return Manifest.model_validate_json(self._store.get(row.manifest_sha256))

    def keep(self, sha256: str) -> bool:
        """Keep a stored file for later jobs that need it; False where it is gone already."""
        if not self._store.has(sha256):
            return False
        self._claim(blobs.RESULT, None, sha256, self._store.size(sha256))
        return self._store.has(sha256)

    def put_results(self, results: Mapping[str, str]) -> None:
        """Record files of this job that hold results of stages, by the keys of these."""
        stage_results.put(self._db, self.job, results)

    def find_results(self, keys: Iterable[str]) -> list[StageResult]:
        """The results of the tenant's succeeded jobs that have some of these keys, the newest first."""
        return stage_results.find(self._db, self.job.tenant, keys)

    def record_engine(self, info: EngineInfo) -> None:
        """Record an engine for the provenance."""
        self._engines_used[info.kind] = info

    def build_manifest(
        self,
        result: AnyResult,
        *,
        parameters: dict[str, Any],
        seed: int,
        reason: str | None = None,
        flags: list[str] | None = None,
        from_job: str | None = None,
    ) -> Manifest:
        """The manifest of this job's result; flags of the media read are added."""
        engines = [
            EngineUsed(kind=i.kind, name=i.name, version=i.version, device=i.device, weights=dict(i.weights))
            for i in self._engines_used.values()
        ]
        provenance = Provenance(
            code_version=_find_version(),
            engines=engines,
            seed=seed,
            parameters=parameters,
            sources=self.media.sources,
            from_job=from_job,
        )
        return Manifest(
            result=result,
            artefacts=self.artefacts,
            provenance=provenance,
            flags=list(dict.fromkeys([*(flags or []), *self.media.flags])),
            reason=reason,
        )

    def _claim(self, role: str, media_type: str | None, sha256: str, size: int) -> None:
        """Record that this job needs a file that is about to be stored; raises Stopped once it has ended.

        Raises JobProblem `storage_quota_exceeded` when its tenant would have more than it may.
        """
        claim_file(self._db, self.job, role, sha256, size, media_type, default=self.settings.max_stored_bytes)

    def _add_artefact(self, name: str, role: str, media_type: str, sha256: str, size: int) -> Artefact:
        artefact = Artefact(name=name, role=role, sha256=sha256, media_type=media_type, bytes=size)
        self.artefacts.append(artefact)
        return artefact


@cache
def _find_version() -> str:
    """This code's version; reading it takes milliseconds of every job otherwise."""
    return version("maquette-server")
