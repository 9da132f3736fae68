"""Claims the jobs of a worker and runs them: one after the other, or several that share the engine."""

import logging
from collections.abc import Callable

from media.sandbox import Sandbox
from storage.artefacts import ArtefactStore
from storage.ledger import Database, JobRow, fairness, leases
from workers.attempts import AttemptRunner
from workers.engines.gpu_faults import DeviceLost
from workers.engines.protocols import BatchedBodyEngine, BatchedConceptEngine
from workers.engines.registry import EngineSet
from workers.job_pool import JobPool
from workers.pipeline import Batcher, PipelineStats
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)
# Jobs about the image of the first that may run before older jobs about others: they reuse its embedding, but
# must not starve the queue. Chosen, not measured.
MAX_COMPANIONS = 15


class Claims:
    """Claims the jobs of one queue for one message: in turns between tenants, companions first."""

    def __init__(self, db: Database, settings: WorkerSettings, task_id: str) -> None:
        """`task_id` is the message that woke the worker; the reaper can kill its process by it."""
        self._db, self._queue = db, settings.worker_queue
        # the worker, its lease, and the message
        self._by = settings.worker_id, settings.lease_seconds, task_id
        self._most = settings.max_running_jobs
        self._last: JobRow | None = None
        self._companions = 0

    def claim_next(self) -> JobRow | None:
        """The next job, about whatever image; None when none waits."""
        self._companions = 0
        self._last = fairness.claim_next(self._db, self._queue, *self._by, max_running=self._most)
        return self._last

    def claim_companion(self) -> JobRow | None:
        """A job about the same image as the last; None when there is none, or others have waited enough."""
        last = self._last
        if last is None or self._companions == MAX_COMPANIONS:
            return None
        if fairness.has_other_tenants(self._db, self._queue, last.tenant):
            return None
        self._companions += 1
        self._last = leases.claim_next_of_subject(self._db, last, *self._by, max_running=self._most)
        return self._last


class Runner:
    """Claims jobs, runs them and commits their results."""

    def __init__(
        self,
        db: Database,
        store: ArtefactStore,
        engines: EngineSet,
        sandbox: Sandbox,
        settings: WorkerSettings,
        announce: Callable[[str, str, int], None] | None = None,
        take_message: Callable[[], None] | None = None,
    ) -> None:
        """`announce` publishes a job to the queue by its id, queue and timeout in seconds.

        `take_message` removes a message from the worker's queue, for a job that was claimed without one.
        """
        self._db, self._settings = db, settings
        self._engines, self._sandbox = engines, sandbox
        self._take_message = take_message
        self.stats = PipelineStats()
        self._attempts = AttemptRunner(db, store, settings, announce, self.stats)
        pipeline = settings.pipeline
        count = pipeline.resolve_jobs(batches_on_gpu=engines.on_gpu and _offers_batches(engines))
        self._batcher: Batcher | None = None
        self._pool: JobPool | None = None
        self._more_sandboxes = [Sandbox(sandbox.limits) for _ in range(count - 1)]
        if count > 1:
            self._batcher = Batcher(
                batch=pipeline.batch, wait_seconds=pipeline.wait_ms / 1000, stats=self.stats
            )
            self._pool = JobPool(
                db,
                self._attempts,
                engines,
                self._batcher,
                [sandbox, *self._more_sandboxes],
                memory_bytes=pipeline.memory_mib << 20,
            )

    def close(self) -> None:
        """End the engine's thread and the decoders that this runner has started."""
        if self._batcher is not None:
            self._batcher.close()
        for sandbox in self._more_sandboxes:
            sandbox.close()

    def run(self, job_id: str, task_id: str) -> None:
        """Run the job whose turn it is, then those that wait for the same image.

        `task_id` names the message that woke this worker, and `job_id` the job that it announced: each
        message stands for one queued job of the queue, and `claim_next` decides which. Where several jobs
        share the engine, it returns when none runs and none waits. Raises DeviceLost, once the job has been
        handed on, when this process has to end because its GPU is lost.
        """
        claims = Claims(self._db, self._settings, task_id)
        job = claims.claim_next()
        if job is None:
            log.info("no job waits; %s is taken or over", job_id)
            return
        if self._pool is None:
            self._run_in_turn(job, claims)
        else:
            self._pool.run(job, lambda: claims.claim_companion() or claims.claim_next(), self._take_message)

    def _run_in_turn(self, job: JobRow | None, claims: Claims) -> None:
        while job is not None:
            result = self._attempts.run(job, lambda _: self._engines, self._sandbox)
            if result.lost is not None:
                raise DeviceLost(f"the GPU was lost in job {job.id}") from result.lost
            if not result.goes_on:
                return
            job = claims.claim_companion()


def _offers_batches(engines: EngineSet) -> bool:
    return isinstance(engines.loaded.get("concepts"), BatchedConceptEngine) or isinstance(
        engines.loaded.get("bodies"), BatchedBodyEngine
    )
