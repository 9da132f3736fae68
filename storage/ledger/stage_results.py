"""Results of stages that later jobs of the tenant may take over, by what they depend on.

A result is a file that the job which made it refers to: it goes with the job, by deletion or retention, and
is found for as long as that reference is there.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, delete, select

from storage.ledger.blobs import BATCH, RESULT, upsert
from storage.ledger.clock import now
from storage.ledger.database import Database
from storage.ledger.records import JobRow
from storage.ledger.tables import blob_refs, jobs, stage_results

T = TypeVar("T")
# results of one tenant, of which the oldest are forgotten: 100 hours of clips have 36,000
MOST_RESULTS = 1_000_000


class StageResult(NamedTuple):
    """A result: its key, the job that made it, and the file."""

    key: str
    owner: str
    sha256: str


def put(db: Database, job: JobRow, results: Mapping[str, str]) -> None:
    """Record the files of a job that hold results, by their keys; the job refers to them already."""
    with db.write() as connection:
        for chunk in _divide(sorted(results.items())):
            shared = {"tenant": job.tenant, "owner": job.id}
            rows = [{"key": key, "sha256": sha256, **shared} for key, sha256 in chunk]
            insert = upsert(connection, stage_results).values(created_at=now())
            connection.execute(insert.on_conflict_do_nothing(), rows)
        mine = stage_results.c.tenant == job.tenant
        ages = select(stage_results.c.created_at).where(mine).order_by(stage_results.c.created_at.desc())
        oldest = connection.execute(ages.offset(MOST_RESULTS).limit(1)).scalar()
        if oldest is not None:
            connection.execute(delete(stage_results).where(mine, stage_results.c.created_at <= oldest))


def find(db: Database, tenant: str, keys: Iterable[str]) -> list[StageResult]:
    """The results of succeeded jobs of a tenant that have some of these keys, the newest first."""
    found: list[Any] = []
    held = (
        (blob_refs.c.owner == stage_results.c.owner)
        & (blob_refs.c.tenant == stage_results.c.tenant)
        & (blob_refs.c.sha256 == stage_results.c.sha256)
        & (blob_refs.c.role == RESULT)
    )
    columns = (stage_results.c.created_at, stage_results.c.key, stage_results.c.owner, stage_results.c.sha256)
    query = (
        select(*columns)
        .join(blob_refs, held)
        .join(jobs, jobs.c.id == stage_results.c.owner)
        .where(stage_results.c.tenant == tenant, jobs.c.state == "succeeded", jobs.c.deleted_at.is_(None))
    )
    with db.read() as connection:
        for chunk in _divide(sorted(set(keys))):
            found += connection.execute(query.where(stage_results.c.key.in_(chunk))).all()
    newest = sorted(found, key=lambda row: (-row.created_at, row.owner, row.key))
    return [StageResult(row.key, row.owner, row.sha256) for row in newest]


def _divide(items: list[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, BATCH)):
        yield chunk


def list_files(connection: Connection, owner: str, hashes: Iterable[str]) -> set[str]:
    """Which of these files of a job hold results."""
    mine = (stage_results.c.owner == owner, stage_results.c.sha256.in_(list(hashes)))
    return set(connection.execute(select(stage_results.c.sha256).where(*mine)).scalars())


def forget(connection: Connection, owner: str) -> None:
    """Forget the results of a job that was deleted."""
    connection.execute(delete(stage_results).where(stage_results.c.owner == owner))
