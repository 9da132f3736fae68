"""One job from claim to commit."""

import logging
import time
from collections.abc import Callable

from maquette.contract import JobRequest, Problem
from maquette.contract.vocabulary import UnknownPhrase
from pydantic import TypeAdapter
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from media.errors import MediaError
from media.sandbox import Sandbox
from storage.artefacts import ArtefactStore
from storage.broker import UNREACHABLE
from storage.ledger import Database, JobRow, fairness, files, jobs, leases
from storage.ledger import parts as ledger_parts
from workers.engines.protocols import RequestRefused
from workers.engines.registry import EngineSet, EngineUnavailable
from workers.errors import JobProblem, Parked, RetryPart, Stopped
from workers.heartbeat import Heartbeat, settle
from workers.jobs import run_kind, run_part
from workers.jobs.context import JobContext
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)
REQUEST: TypeAdapter[JobRequest] = TypeAdapter(JobRequest)
# how many jobs about one image may go ahead of older jobs about others
COMPANIONS = 15
# the kind of job that is worked on in parts
PARTED = "dataset"
MANIFEST_TYPE = "application/vnd.maquette.manifest+json"


class Runner:
    """Claims jobs, runs them, and commits what they made."""

    def __init__(
        self,
        db: Database,
        store: ArtefactStore,
        engines: EngineSet,
        sandbox: Sandbox,
        settings: WorkerSettings,
        announce: Callable[[str, str, int], None] | None = None,
    ) -> None:
        self._db = db
        self._store = store
        self._engines = engines
        self._sandbox = sandbox
        self._settings = settings
        self._announce = announce

    def run(self, job_id: str, task_id: str) -> None:
        """Run the job whose turn it is, then those that wait for the same image.

        `task_id` names the message that woke this worker, and `job_id` the job that it announced: each
        message stands for one queued job of the queue, and `claim_next` decides which.
        """
        settings = self._settings
        worker, seconds = settings.worker_id, settings.lease_seconds
        job = fairness.claim_next(self._db, settings.worker_queue, worker, seconds, task_id)
        if job is None:
            log.info("no job waits; %s is taken or over", job_id)
            return
        companions = 0
        while job is not None:
            held = self._run(job)
            if not held or companions == COMPANIONS:
                return
            if fairness.has_other_tenants(self._db, settings.worker_queue, job.tenant):
                return
            companions += 1
            job = leases.claim_next_of_subject(self._db, job, worker, seconds, task_id)

    def _run(self, job: JobRow) -> bool:
        """One claimed job to its end; False when its lease was lost or it was handed back."""
        start = time.monotonic()
        with Heartbeat(self._db, job, self._settings) as heartbeat:
            ending = self._work(job, heartbeat)
        held = _patiently(ending)
        log.info(
            "job %s (%s) took %.2f s%s",
            job.id,
            job.kind,
            time.monotonic() - start,
            "" if held else "; its lease was lost",
        )
        if job.kind == PARTED or job.parent is not None:
            self._wake(job.parent or job.id)
        return held and not heartbeat.stopped

    def _work(self, job: JobRow, heartbeat: Heartbeat) -> Callable[[], object]:
        """Do the work; gives the commit that ends the job."""
        try:
            context = JobContext(
                job, heartbeat, self._db, self._store, self._engines, self._sandbox, self._settings
            )
            if job.parent is not None:
                return self._part(job, context, heartbeat)
            manifest = run_kind(context, REQUEST.validate_json(job.request))
            heartbeat.check()
            data = manifest.model_dump_json().encode()
            sha256 = self._store.put(data)
            files.add_artefact(self._db, job.tenant, sha256, MANIFEST_TYPE, len(data))
        except Parked as parked:
            parts = parked.parts
            return lambda: leases.park(self._db, job, parts)
        except Stopped as stopped:
            reply = stopped.reply
            return lambda: settle(self._db, job, reply)
        except Exception as error:
            problem = _problem(error)
            if problem.status >= 500:
                log.exception("job %s failed", job.id)
            told = problem.model_dump(mode="json", exclude_none=True)
            return lambda: leases.fail(self._db, job, told)
        return lambda: leases.succeed(self._db, job, sha256)

    def _part(self, job: JobRow, context: JobContext, heartbeat: Heartbeat) -> Callable[[], object]:
        try:
            done = run_part(context)
        except RetryPart:
            log.warning("part %s is tried again", job.id, exc_info=True)
            return lambda: leases.retry(self._db, job)
        heartbeat.check()
        made = [artefact.model_dump(mode="json") for artefact in context.artefacts]
        return lambda: leases.complete(self._db, job, done.output, done.spent, made, done.then)

    def _wake(self, job_id: str) -> None:
        """Tell the queue of what a part or a parked job has set free; what fails is left to the reaper."""
        if self._announce is None:
            return
        try:
            for item in ledger_parts.list_unannounced(self._db, job_id):
                self._announce(*item)
                jobs.mark_dispatched(self._db, [item[0]])
        except (*UNREACHABLE, SQLAlchemyError) as error:
            log.warning("parts of %s are left to the reaper: %s", job_id, error)


def _problem(error: Exception) -> Problem:
    if isinstance(error, JobProblem):
        return error.problem
    if isinstance(error, MediaError):
        return Problem.from_code(error.code, error.status, error.detail)
    if isinstance(error, UnknownPhrase):
        return error.problem()
    if isinstance(error, RequestRefused):
        return error.problem
    if isinstance(error, EngineUnavailable):
        return Problem.from_code("engine_unavailable", 503, str(error))
    if isinstance(error, MemoryError):
        return Problem.from_code("out_of_memory", 500, "the job needs more memory than this worker has")
    return Problem.from_code(
        "engine_failed", 500, f"the engine failed on this input ({type(error).__name__})"
    )


def _patiently(commit: Callable[[], object], seconds: float = 60.0) -> bool:
    """Commit, over a short outage of the database."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return commit() is not False
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            log.warning("the ledger cannot be reached; trying again", exc_info=True)
            time.sleep(1)
