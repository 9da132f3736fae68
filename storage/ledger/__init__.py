"""The ledger: the truth about every job, whatever the queue or a process does."""

from storage.ledger.database import Database
from storage.ledger.records import (
    ApiKey,
    JobRow,
    MediaRow,
    Part,
    PartRow,
    Submission,
    WorkerRow,
    WorkerSeconds,
)
from storage.ledger.sessions import SessionRow

__all__ = [
    "ApiKey",
    "Database",
    "JobRow",
    "MediaRow",
    "Part",
    "PartRow",
    "SessionRow",
    "Submission",
    "WorkerRow",
    "WorkerSeconds",
]
