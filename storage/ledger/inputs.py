"""What a job or a session needs from its submission on, checked and referred to in one transaction."""

from collections.abc import Iterable

from sqlalchemy import Connection, select, update

from storage.ledger import blobs
from storage.ledger.clock import now
from storage.ledger.files import USE_SECONDS
from storage.ledger.tables import artefacts, jobs, media


class InputGone(Exception):
    """An upload, an artefact or a job that a request names was deleted meanwhile; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def hold(connection: Connection, tenant: str, owner: str, hashes: Iterable[str]) -> None:
    """Refer to the uploads and artefacts that an owner reads; raises InputGone.

    The locks keep them from being deleted before this commits.
    """
    wanted = sorted(set(hashes))
    stale = (media.c.used_at < now() - USE_SECONDS).label("stale")
    for sha256 in wanted:
        mine = (media.c.tenant == tenant, media.c.sha256 == sha256)
        locked = select(stale).where(*mine).with_for_update(read=True, key_share=True)
        row = connection.execute(locked).one_or_none()
        if row is None:
            _hold_artefact(connection, tenant, sha256)
        elif row.stale:
            connection.execute(update(media).where(*mine).values(used_at=now()))
    if wanted:
        blobs.refer(connection, tenant, owner, blobs.INPUT, wanted)


def _hold_artefact(connection: Connection, tenant: str, sha256: str) -> None:
    mine = (artefacts.c.tenant == tenant, artefacts.c.sha256 == sha256, artefacts.c.deleted_at.is_(None))
    locked = select(artefacts.c.sha256).where(*mine).with_for_update(read=True, key_share=True)
    if connection.execute(locked).first() is None:
        raise InputGone(sha256)


def hold_job(connection: Connection, tenant: str, job_id: str) -> None:
    """Keep the job that another one continues from being deleted before this commits; raises InputGone."""
    mine = (jobs.c.id == job_id, jobs.c.tenant == tenant, jobs.c.deleted_at.is_(None))
    lock = select(jobs.c.id).where(*mine).with_for_update(read=True, key_share=True)
    if connection.execute(lock).first() is None:
        raise InputGone(job_id)
