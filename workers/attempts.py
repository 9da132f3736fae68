"""Runs one claimed job from its first heartbeat to its commit."""

import errno
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from maquette.contract import JobRequest, Problem
from maquette.contract.vocabulary import UnknownPhrase
from pydantic import TypeAdapter
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from media.errors import MediaError
from media.sandbox import Sandbox
from storage.artefacts import ArtefactMissing, ArtefactStore
from storage.broker import UNREACHABLE
from storage.ledger import Database, JobRow, jobs, leases
from storage.ledger import parts as ledger_parts
from storage.ledger.leases import HeartbeatReply
from workers.engines.gpu_faults import is_child_lost, is_device_lost, is_out_of_memory, release_memory
from workers.engines.protocols import RequestRefused
from workers.engines.registry import EngineSet, EngineUnavailable
from workers.errors import JobProblem, Parked, RetryPart, Stopped
from workers.heartbeat import Heartbeat, end_stopped
from workers.jobs import run_kind, run_part
from workers.jobs.context import JobContext
from workers.pipeline import PipelineStats
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)
REQUEST: TypeAdapter[JobRequest] = TypeAdapter(JobRequest)
# the kind of job that runs in parts
PARTED_KIND = "dataset"
# how long a commit is retried while the database is down
COMMIT_SECONDS = 60.0
# how long a worker rests after it met a full disk, so that its job does not go round without end
DISK_FULL_SECONDS = 5.0
# attempts after which a job that takes the GPU down each time is failed, as the reaper does with lost leases
GPU_ATTEMPTS = 3
Commit = Callable[[], object]


@dataclass(slots=True)
class AttemptResult:
    """How an attempt ended: `held` its lease to the end, was `stopped` by the ledger's reply, or `requeues`.

    `lost` is the error that took this process's GPU away.
    """

    held: bool = False
    stopped: HeartbeatReply = HeartbeatReply.CONTINUE
    requeues: bool = False
    lost: Exception | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the worker may look for the next job at once."""
        return self.held and self.stopped is HeartbeatReply.CONTINUE and not self.requeues


class AttemptRunner:
    """Runs claimed jobs and commits their results; threads may share it."""

    def __init__(
        self,
        db: Database,
        store: ArtefactStore,
        settings: WorkerSettings,
        announce: Callable[[str, str, int], None] | None = None,
        stats: PipelineStats | None = None,
    ) -> None:
        """`announce` publishes a job to the queue by its id, queue and timeout in seconds."""
        self._db, self._store, self._settings = db, store, settings
        self._announce = announce
        self._stats = stats

    def run(
        self,
        job: JobRow,
        open_engines: Callable[[Callable[[], None]], EngineSet],
        sandbox: Sandbox,
        *,
        admit: Callable[[Callable[[], None]], AbstractContextManager[None]] | None = None,
        before_kill: Callable[[], None] | None = None,
    ) -> AttemptResult:
        """Run a claimed job to its end.

        `open_engines` and `admit` are given what raises Stopped when the job has to end; `admit` waits until
        the job may work. `before_kill` is called before the process kills itself because the job does not
        stop.
        """
        start, result = time.monotonic(), AttemptResult()
        with Heartbeat(self._db, job, self._settings, before_kill=before_kill) as heartbeat:
            commit = self._work(job, heartbeat, open_engines, sandbox, admit, result)
        result.stopped = heartbeat.reply
        result.held = _commit_with_retries(commit)
        log.info(
            "job %s (%s) took %.2f s%s",
            job.id,
            job.kind,
            time.monotonic() - start,
            "" if result.held else "; its lease was lost",
        )
        if job.kind == PARTED_KIND or job.parent is not None:
            self._announce_ready(job.parent or job.id)
        return result

    def _work(
        self,
        job: JobRow,
        heartbeat: Heartbeat,
        open_engines: Callable[[Callable[[], None]], EngineSet],
        sandbox: Sandbox,
        admit: Callable[[Callable[[], None]], AbstractContextManager[None]] | None,
        result: AttemptResult,
    ) -> Commit:
        """Do the work; returns the commit that ends the job."""
        try:
            watch = nullcontext() if self._stats is None else self._stats.watch_memory(job.kind)
            with nullcontext() if admit is None else admit(heartbeat.check), watch:
                engines = open_engines(heartbeat.check)
                context = JobContext(
                    job, heartbeat, self._db, self._store, engines, sandbox, self._settings, self._stats
                )
                if job.parent is not None:
                    return self._work_on_part(job, context, heartbeat, result)
                manifest = run_kind(context, REQUEST.validate_json(job.request))
                heartbeat.check()
                sha256 = context.put_manifest(manifest.model_dump_json().encode())
                context.end()
        except Parked as parked:
            parts, known = parked.parts, [step.model_dump() for step in parked.funnel]
            return lambda: leases.park(self._db, job, parts, known)
        except Stopped as stopped:
            reply = stopped.reply
            return lambda: end_stopped(self._db, job, reply)
        # it becomes the problem of the job
        except Exception as error:  # noqa: BLE001
            return self._commit_error(job, error, result)
        return lambda: leases.succeed(self._db, job, sha256)

    def _commit_error(self, job: JobRow, error: Exception, result: AttemptResult) -> Commit:
        """The commit for a job whose work raised."""
        if is_disk_full(error):
            log.error("the disk is full: job %s waits", job.id)
            time.sleep(DISK_FULL_SECONDS)
            return lambda: leases.hand_back(self._db, job)
        if is_device_lost(error):
            result.lost = error
        if is_device_lost(error) or is_child_lost(error):
            log.exception("the GPU was lost in job %s", job.id)
            # the row's attempt is the one that runs now
            if job.attempt - job.handed_back < GPU_ATTEMPTS:
                result.requeues = True
                return lambda: leases.retry(self._db, job)
        problem = to_problem(error)
        if problem.status >= 500:
            log.error("job %s failed", job.id, exc_info=error)
        if problem.code == "out_of_memory":
            release_memory()
        stored = problem.model_dump(mode="json", exclude_none=True)
        return lambda: leases.fail(self._db, job, stored)

    def _work_on_part(
        self, job: JobRow, context: JobContext, heartbeat: Heartbeat, result: AttemptResult
    ) -> Commit:
        try:
            outcome = run_part(context)
        except RetryPart as retried:
            if is_device_lost(retried):
                result.lost = retried
            log.warning("part %s is retried", job.id, exc_info=True)
            return lambda: leases.retry(self._db, job)
        heartbeat.check()
        artefacts = [artefact.model_dump(mode="json") for artefact in context.artefacts]
        funnel = [step.model_dump() for step in outcome.funnel]
        return lambda: leases.complete(
            self._db, job, outcome.output, outcome.spent, artefacts, outcome.then, funnel
        )

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
