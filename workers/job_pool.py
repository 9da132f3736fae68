"""Runs several jobs of one process at once; the engine's thread batches what they ask of it."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from media.sandbox import Sandbox
from storage.ledger import Database, JobRow, files, leases
from storage.ledger.leases import HeartbeatReply
from workers.attempts import AttemptRunner
from workers.engines.gpu_faults import DeviceLost
from workers.engines.registry import EngineSet
from workers.pipeline import Admission, Batcher, SharedEngines
from workers.sharing import find_image, may_share

log = logging.getLogger(__name__)
# how often the ledger is asked for further jobs while some run
POLL_SECONDS = 0.02
# memory of a job per pixel of its image: decoded, handed over, drawn on and encoded (3 bytes each),
# and some masks. Chosen, not measured
BYTES_PER_PIXEL = 16


class JobPool:
    """Keeps as many jobs running as there are sandboxes, each in a thread with one of them."""

    def __init__(
        self,
        db: Database,
        attempts: AttemptRunner,
        engines: EngineSet,
        batcher: Batcher,
        sandboxes: Sequence[Sandbox],
        *,
        memory_bytes: int,
    ) -> None:
        """`memory_bytes` is for the images of all jobs together."""
        self._db, self._attempts = db, attempts
        self._engines, self._shared, self._batcher = engines, SharedEngines(engines, batcher), batcher
        self._sandboxes = list(sandboxes)
        self._limits = sandboxes[0].limits
        self._admission = Admission(memory_bytes)
        self._running: dict[str, JobRow] = {}
        self._ends = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def run(
        self,
        job: JobRow | None,
        claim: Callable[[], JobRow | None],
        take_message: Callable[[], None] | None = None,
    ) -> None:
        """Run a claimed job, and those that `claim` returns meanwhile, until none runs and none waits.

        `take_message` is called for each of the others. Raises DeviceLost when this process has to end.
        """
        slots, self._ends, self._error = len(self._sandboxes), False, None
        with ThreadPoolExecutor(slots, thread_name_prefix="job") as threads:
            while job is not None or self._running:
                if job is not None:
                    with self._changed:
                        self._running[job.id] = job
                    alone = self._runs_alone(job)
                    threads.submit(self._run_job, job, alone)
                    # a job that runs alone waits for the others to end, and they must not be joined by more
                    most = 0 if alone else slots - 1
                    self._wait(lambda most=most: len(self._running) <= most)  # type: ignore[misc]
                if self._ends:
                    break
                try:
                    job = claim()
                except SQLAlchemyError as error:
                    self._end(error)
                    break
                if job is None:
                    with self._changed:
                        self._changed.wait(POLL_SECONDS)
                elif take_message is not None:
                    take_message()
        if self._error is not None:
            raise self._error

    def _runs_alone(self, job: JobRow) -> bool:
        try:
            return not may_share(self._db, job, self._engines)
        except SQLAlchemyError:
            return True

    def _run_job(self, job: JobRow, alone: bool) -> None:
        with self._changed:
            sandbox = self._sandboxes.pop()
        need = self._estimate_bytes(job)

        @contextmanager
        def admit(check: Callable[[], None]) -> Iterator[None]:
            with self._admission.admit(need, check, alone=alone), self._batcher.job():
                yield

        try:
            result = self._attempts.run(
                job,
                (lambda _: self._engines) if alone else self._shared.open,
                sandbox,
                admit=admit,
                before_kill=lambda: self._hand_back_others(job),
            )
            if result.lost is not None:
                lost = DeviceLost(f"the GPU was lost in job {job.id}")
                lost.__cause__ = result.lost
                self._end(lost)
            elif result.stopped is HeartbeatReply.HAND_BACK:
                self._end(None)
        except BaseException as error:
            log.exception("job %s ended without a commit", job.id)
            self._end(error)
        finally:
            with self._changed:
                self._sandboxes.append(sandbox)
                del self._running[job.id]
                self._changed.notify_all()

    def _end(self, error: BaseException | None) -> None:
        """Claim no more jobs, and raise the error once those that run have ended."""
        with self._changed:
            self._ends = True
            if self._error is None or isinstance(error, DeviceLost):
                self._error = error
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(condition)

    def _estimate_bytes(self, job: JobRow) -> int:
        """The memory that a job's image needs; that of the largest image where the size is not known yet."""
        pixels = self._limits.image_pixels
        try:
            image = find_image(self._db, job)
            row = None if image is None else files.find_media(self._db, job.tenant, image)
        except SQLAlchemyError:
            row = None
        if row is not None and row.info.get("width") and row.info.get("height"):
            pixels = int(row.info["width"]) * int(row.info["height"])
        return pixels * BYTES_PER_PIXEL

    def _hand_back_others(self, job: JobRow) -> None:
        """Hand back the jobs that end with this process because that one does not stop."""
        with self._changed:
            others = [other for other in self._running.values() if other.id != job.id]
        for other in others:
            try:
                leases.hand_back(self._db, other)
            except SQLAlchemyError:
                log.warning("job %s waits until its lease expires", other.id, exc_info=True)
