"""Runs one job from its claim to its commit."""

import errno
import logging
import time
from collections.abc import Callable

from maquette.contract import JobRequest, Problem
from maquette.contract.vocabulary import UnknownPhrase
from pydantic import TypeAdapter
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from media.errors import MediaError
from media.sandbox import Sandbox
from storage.artefacts import ArtefactMissing, ArtefactStore
from storage.broker import UNREACHABLE
from storage.ledger import Database, JobRow, fairness, jobs, leases
from storage.ledger import parts as ledger_parts
from workers.engines.gpu_faults import (
    DeviceLost,
    is_child_lost,
    is_device_lost,
    is_out_of_memory,
    release_memory,
)
from workers.engines.protocols import RequestRefused
from workers.engines.registry import EngineSet, EngineUnavailable
from workers.errors import JobProblem, Parked, RetryPart, Stopped
from workers.heartbeat import Heartbeat, end_stopped
from workers.jobs import run_kind, run_part
from workers.jobs.context import JobContext
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)
REQUEST: TypeAdapter[JobRequest] = TypeAdapter(JobRequest)
# Jobs about the image of the first that may run before older jobs about others: they reuse its embedding, but
# must not starve the queue. Chosen, not measured.
MAX_COMPANIONS = 15
# the kind of job that runs in parts
PARTED_KIND = "dataset"
# how long a commit is retried while the database is down
COMMIT_SECONDS = 60.0
# how long a worker rests after it met a full disk, so that its job does not go round without end
DISK_FULL_SECONDS = 5.0
# attempts after which a job that takes the GPU down each time is failed, as the reaper does with lost leases
GPU_ATTEMPTS = 3
Commit = Callable[[], object]


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
    ) -> None:
        """`announce` publishes a job to the queue by its id, queue and timeout in seconds."""
        self._db = db
        self._store = store
        self._engines = engines
        self._sandbox = sandbox
        self._settings = settings
        self._announce = announce
        self._lost: Exception | None = None
        self._requeues = False

    def run(self, job_id: str, task_id: str) -> None:
        """Run the job whose turn it is, then those that wait for the same image.

        `task_id` names the message that woke this worker, and `job_id` the job that it announced: each
        message stands for one queued job of the queue, and `claim_next` decides which. Raises DeviceLost,
        once the job has been handed on, when this process has to end because its GPU is lost.
        """
        settings = self._settings
        worker, seconds = settings.worker_id, settings.lease_seconds
        most = settings.max_running_jobs
        job = fairness.claim_next(self._db, settings.worker_queue, worker, seconds, task_id, max_running=most)
        if job is None:
            log.info("no job waits; %s is taken or over", job_id)
            return
        companions = 0
        while job is not None:
            held = self._run_claimed(job)
            if not held or companions == MAX_COMPANIONS:
                return
            if fairness.has_other_tenants(self._db, settings.worker_queue, job.tenant):
                return
            companions += 1
            job = leases.claim_next_of_subject(self._db, job, worker, seconds, task_id, max_running=most)

    def _run_claimed(self, job: JobRow) -> bool:
        """Run a claimed job to its end; False when its lease was lost or it was handed back."""
        start, self._requeues = time.monotonic(), False
        with Heartbeat(self._db, job, self._settings) as heartbeat:
            commit = self._work(job, heartbeat)
        held = _commit_with_retries(commit)
        log.info(
            "job %s (%s) took %.2f s%s",
            job.id,
            job.kind,
            time.monotonic() - start,
            "" if held else "; its lease was lost",
        )
        if job.kind == PARTED_KIND or job.parent is not None:
            self._announce_ready(job.parent or job.id)
        if self._lost is not None:
            raise DeviceLost(f"the GPU was lost in job {job.id}") from self._lost
        return held and not heartbeat.stopped and not self._requeues

    def _work(self, job: JobRow, heartbeat: Heartbeat) -> Commit:
        """Do the work; returns the commit that ends the job."""
        try:
            context = JobContext(
                job, heartbeat, self._db, self._store, self._engines, self._sandbox, self._settings
            )
            if job.parent is not None:
                return self._work_on_part(job, context, heartbeat)
            manifest = run_kind(context, REQUEST.validate_json(job.request))
            heartbeat.check()
            sha256 = context.put_manifest(manifest.model_dump_json().encode())
        except Parked as parked:
            parts = parked.parts
            return lambda: leases.park(self._db, job, parts)
        except Stopped as stopped:
            reply = stopped.reply
            return lambda: end_stopped(self._db, job, reply)
        except Exception as error:
            if is_disk_full(error):
                log.error("the disk is full: job %s waits", job.id)
                time.sleep(DISK_FULL_SECONDS)
                return lambda: leases.hand_back(self._db, job)
            if is_device_lost(error):
                self._lost = error
            if is_device_lost(error) or is_child_lost(error):
                log.exception("the GPU was lost in job %s", job.id)
                # the row's attempt is the one that runs now
                if job.attempt - job.handed_back < GPU_ATTEMPTS:
                    self._requeues = True
                    return lambda: leases.retry(self._db, job)
            problem = to_problem(error)
            if problem.status >= 500:
                log.exception("job %s failed", job.id)
            if problem.code == "out_of_memory":
                release_memory()
            stored = problem.model_dump(mode="json", exclude_none=True)
            return lambda: leases.fail(self._db, job, stored)
        return lambda: leases.succeed(self._db, job, sha256)

    def _work_on_part(self, job: JobRow, context: JobContext, heartbeat: Heartbeat) -> Commit:
        try:
            outcome = run_part(context)
        except RetryPart as retried:
            if is_device_lost(retried):
                self._lost = retried
            log.warning("part %s is retried", job.id, exc_info=True)
            return lambda: leases.retry(self._db, job)
        heartbeat.check()
        artefacts = [artefact.model_dump(mode="json") for artefact in context.artefacts]
        return lambda: leases.complete(self._db, job, outcome.output, outcome.spent, artefacts, outcome.then)

    def _announce_ready(self, job_id: str) -> None:
        """Announce the queued parts of a job, and the job itself; what fails is left to the reaper."""
        if self._announce is None:
            return
        try:
            for item in ledger_parts.list_unannounced(self._db, job_id):
                self._announce(*item)
                jobs.mark_dispatched(self._db, [item[0]])
        except (*UNREACHABLE, SQLAlchemyError) as error:
            log.warning("parts of %s are left to the reaper: %s", job_id, error)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that no space is left: the job may run once there is some."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def to_problem(error: Exception) -> Problem:
    """The problem that a client reads for an error of a job; unknown errors are the engine's."""
    if isinstance(error, JobProblem | RequestRefused):
        return error.problem
    if isinstance(error, MediaError):
        return Problem.from_code(error.code, error.status, error.detail)
    if isinstance(error, ArtefactMissing):
        detail = "a file that the job needs is lost: upload it, or run the earlier job, again"
        return Problem.from_code("artefact_gone", 410, detail)
    if isinstance(error, UnknownPhrase):
        return error.problem()
    if isinstance(error, EngineUnavailable):
        return Problem.from_code("engine_unavailable", 503, str(error))
    if is_out_of_memory(error):
        return Problem.from_code("out_of_memory", 500, "the job needs more memory than this worker has")
    return Problem.from_code(
        "engine_failed", 500, f"the engine failed on this input ({type(error).__name__})"
    )


def _commit_with_retries(commit: Commit) -> bool:
    """Commit in spite of a short outage of the database; False when the lease was lost."""
    deadline = time.monotonic() + COMMIT_SECONDS
    while True:
        try:
            return commit() is not False
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            log.warning("the ledger cannot be reached; trying again", exc_info=True)
            time.sleep(1)
