"""What a job or a session needs from its submission on, checked and referred to in one transaction."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select, update

from storage.ledger import blobs
from storage.ledger.clock import now
from storage.ledger.files import USE_SECONDS
from storage.ledger.tables import artefacts, jobs, media

# built once: building a statement costs more than running it. The locks keep rows from being deleted
MINE = (media.c.tenant == bindparam("owner"), media.c.sha256 == bindparam("content"))
LOCK_UPLOAD = (
    select((media.c.used_at < now() - USE_SECONDS).label("stale"))
    .where(*MINE)
    .with_for_update(read=True, key_share=True)
)
USE_UPLOAD = update(media).where(*MINE).values(used_at=now())
LOCK_ARTEFACT = (
    select(artefacts.c.sha256)
    .where(
        artefacts.c.tenant == bindparam("owner"),
        artefacts.c.sha256 == bindparam("content"),
        artefacts.c.deleted_at.is_(None),
    )
    .with_for_update(read=True, key_share=True)
)
LOCK_JOB = (
    select(jobs.c.id)
    .where(jobs.c.id == bindparam("job"), jobs.c.tenant == bindparam("owner"), jobs.c.deleted_at.is_(None))
    .with_for_update(read=True, key_share=True)
)


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
    for sha256 in wanted:
        names = {"owner": tenant, "content": sha256}
        row = connection.execute(LOCK_UPLOAD, names).one_or_none()
        if row is None:
            if connection.execute(LOCK_ARTEFACT, names).first() is None:
                raise InputGone(sha256)
        elif row.stale:
            connection.execute(USE_UPLOAD, names)
    if wanted:
        blobs.refer(connection, tenant, owner, blobs.INPUT, wanted)


def hold_job(connection: Connection, tenant: str, job_id: str) -> None:
    """Keep the job that another one continues from being deleted before this commits; raises InputGone."""
    if connection.execute(LOCK_JOB, {"owner": tenant, "job": job_id}).first() is None:
        raise InputGone(job_id)
