"""One round of collection: retention, releasing ended jobs, and removing files that nothing needs."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial

from maquette.contract import Manifest

from storage.artefacts import ArtefactMissing, ArtefactStore
from storage.ledger import Database, audit, blobs, deletion, resumable, retention, sessions, tenants
from storage.ledger.audit import RETENTION
from storage.ledger.erasure import Delete
from storage.ledger.retention import EndedJob, Retention

log = logging.getLogger(__name__)
# files per transaction, whose rows stay locked while they are removed: 10 ms in a folder, one request to S3
REMOVED_AT_ONCE = 50
# seconds after which a transaction ends early: a busy disk takes 20 to 40 ms for a single file
LOCK_SECONDS = 0.02
# seconds between two steps at most: writers of SQLite ask every 1 to 25 ms and would rarely meet a gap
MAX_PAUSE = 0.05
# jobs and uploads that are looked up at once
PAGE = 200


@dataclass(slots=True)
class CollectionReport:
    """What a round has done; `complete` says that nothing was left to do for now."""

    jobs: int = 0
    uploads: int = 0
    unfinished: int = 0
    histories: int = 0
    released: int = 0
    files: int = 0
    copies: int = 0
    complete: bool = False

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))


class Collector:
    """Collects in small transactions, so that any number of gateways may collect and none waits for it long.

    `default` is the retention of tenants for which nothing else is set. What ends a round early loses
    nothing: the next one goes on.
    """

    def __init__(
        self,
        db: Database,
        store: ArtefactStore,
        default: Retention,
        *,
        grace_seconds: float,
        audit_days: float = 0.0,
    ) -> None:
        self._audit_days = audit_days
        self._db, self._store, self._default = db, store, default
        self._grace = grace_seconds
        self._until: float | None = None
        self._is_stopped: Callable[[], bool] = lambda: False
        self._stepped_at = time.monotonic()

    def collect(
        self, seconds: float | None = None, is_stopped: Callable[[], bool] = lambda: False
    ) -> CollectionReport:
        """Do one round, for `seconds` at most or until it is stopped; raises SQLAlchemyError and OSError."""
        self._until = None if seconds is None else self._db.time.monotonic() + seconds
        self._is_stopped = is_stopped
        self._stepped_at = time.monotonic()
        report = CollectionReport()
        sessions.drop_expired(self._db)
        report.unfinished = resumable.drop_expired(self._db)
        for tenant in retention.list_tenants(self._db):
            kept = choose_retention(self._db, tenant, self._default)
            self._expire(tenant, kept, report)
            self._release(tenant, kept.scratch, report)
        retention.forget_deleted_artefacts(self._db, self._default.results)
        audit.drop_older(self._db, self._audit_days)
        while self._may_go_on() and not retention.drop_legacy(self._db):
            pass
        self._remove(report)
        report.copies = self._store.remove_stale_copies() + len(self._store.remove_abandoned())
        report.complete = self._may_go_on()
        return report

    def _may_go_on(self) -> bool:
        """Whether there is time for a step; first, others may write for as long as the last one took."""
        if self._db.is_sqlite:
            time.sleep(min(time.monotonic() - self._stepped_at, MAX_PAUSE))
            self._stepped_at = time.monotonic()
        has_time = self._until is None or self._db.time.monotonic() < self._until
        return has_time and not self._is_stopped()

    def _expire(self, tenant: str, kept: Retention, report: CollectionReport) -> None:
        """Delete the jobs, uploads and events of a tenant that are older than they are kept."""
        for job_id in self._page(partial(retention.list_old_jobs, self._db, tenant, kept.results, PAGE)):
            report.jobs += self._delete(deletion.delete_job, tenant, job_id)
        for sha256 in self._page(partial(retention.list_old_uploads, self._db, tenant, kept.uploads, PAGE)):
            report.uploads += self._delete(deletion.delete_upload, tenant, sha256)
        while self._may_go_on():
            histories = retention.list_old_histories(self._db, tenant, kept.events, PAGE)
            for job_id in histories:
                while not retention.delete_events(self._db, job_id):
                    pass
            report.histories += len(histories)
            if len(histories) < PAGE:
                return

    def _page(self, read: Callable[[str], list[str]]) -> Iterator[str]:
        """Names from successive pages, each read after the last name of the one before."""
        after = ""
        while self._may_go_on() and (names := read(after)):
            yield from names
            after = names[-1]

    def _delete(self, delete: Delete, tenant: str, name: str) -> bool:
        try:
            return delete(self._db, tenant, name, RETENTION)
        except deletion.StillNeeded:
            # a later round finds it again
            return False

    def _release(self, tenant: str, scratch_days: float, report: CollectionReport) -> None:
        while self._may_go_on() and (ended := retention.list_ended(self._db, tenant, scratch_days, PAGE)):
            for job in ended:
                if not self._may_go_on():
                    return
                self._release_job(job)
                report.released += 1

    def _release_job(self, job: EndedJob) -> None:
        if job.deleted:
            while not deletion.erase_batch(self._db, job.tenant, job.id):
                pass
            return
        kept = self._read_result(job)
        if kept:
            retention.refer_to_results(self._db, job, sorted(kept))
        while not retention.release_batch(self._db, job, kept):
            pass

    def _read_result(self, job: EndedJob) -> frozenset[str] | None:
        """The hashes of a job's manifest and its artefacts; None where it is lost or was deleted."""
        if job.manifest is None:
            return frozenset()
        try:
            manifest = Manifest.model_validate_json(self._store.get(job.manifest))
        except (ArtefactMissing, ValueError):
            log.warning("the manifest of job %s cannot be read: all its artefacts are kept", job.id)
            return None
        return frozenset({job.manifest, *(artefact.sha256 for artefact in manifest.artefacts)})

    def _remove(self, report: CollectionReport) -> None:
        # one step at least: short rounds remove files as well
        while True:
            with self._db.write() as connection:
                if not retention.may_remove(connection):
                    return
                looked_at, unneeded = blobs.list_removable(connection, self._grace, REMOVED_AT_ONCE)
                # while the rows are locked, nobody stores these files again
                removed = self._remove_files(unneeded)
                blobs.forget(connection, removed)
            report.files += len(removed)
            if not looked_at or not self._may_go_on():
                return

    def _remove_files(self, hashes: list[str]) -> list[str]:
        """Remove the first of some files, for as long as a transaction may take; returns which."""
        until = self._db.time.monotonic() + LOCK_SECONDS
        step = self._store.removed_per_step
        for start in range(0, len(hashes), step):
            self._store.remove(hashes[start : start + step])
            if self._db.time.monotonic() > until:
                return hashes[: start + step]
        return hashes


def choose_retention(db: Database, tenant: str, default: Retention) -> Retention:
    """The retention of a tenant: what is set for it, else the default."""
    own = tenants.get_settings(db, tenant)
    names = [field.name for field in fields(Retention)]
    return Retention(**{name: own.get(f"keep_{name}_days", getattr(default, name)) for name in names})
