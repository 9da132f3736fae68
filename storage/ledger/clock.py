"""The database's clock: leases of many machines are compared by one clock only.

On SQLite it is a function of the connection (`Database.time`); on Postgres the server's own. A jump of that
clock must not end leases and deadlines: `absorb_jump` moves the times of open jobs along.
"""

from typing import Any

from sqlalchemy import Connection, Double, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from storage.ledger.tables import blobs, collection, jobs, ledger_clock, resumable_uploads, sessions, workers

SQLITE_FUNCTION = "maquette_now"
OPEN_STATES = ("waiting", "queued", "running")
JOB_TIMES = ("created_at", "lease_until", "deadline_at", "dispatched_at", "cancel_requested_at")


class now(FunctionElement[float]):
    """Seconds since the epoch by the database's clock."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite(element: now, compiler: Any, **kw: Any) -> str:
    return f"{SQLITE_FUNCTION}()"


@compiles(now, "postgresql")
def _postgresql(element: now, compiler: Any, **kw: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def read_clock(connection: Connection) -> tuple[float, int]:
    """The database's time, and how many jumps were absorbed."""
    row = connection.execute(select(now().label("at"), ledger_clock.c.jumps)).one()
    return float(row.at), int(row.jumps)


def absorb_jump(connection: Connection, seconds: float, jumps: int) -> bool:
    """Move the times of open jobs by a jump; False when another gateway has absorbed it already.

    `jumps` is the count that was read before the jump: of several gateways that notice it, one moves times.
    """
    counted = connection.execute(
        update(ledger_clock)
        .where(ledger_clock.c.jumps == jumps)
        .values(jumps=jumps + 1, shift=ledger_clock.c.shift + seconds)
    )
    if not counted.rowcount:
        return False
    moved = {name: jobs.c[name] + seconds for name in JOB_TIMES}
    connection.execute(update(jobs).where(jobs.c.state.in_(OPEN_STATES)).values(**moved))
    connection.execute(update(workers).values(seen_at=workers.c.seen_at + seconds))
    for table in (sessions, resumable_uploads):
        connection.execute(update(table).values(expires_at=table.c.expires_at + seconds))
    marked = blobs.c.condemned_at.is_not(None)
    connection.execute(update(blobs).where(marked).values(condemned_at=blobs.c.condemned_at + seconds))
    times = {name: collection.c[name] + seconds for name in ("next_at", "paused_until")}
    connection.execute(update(collection).values(times))
    return True
