"""What the checkpoints of jobs share."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(slots=True)
class JobCheckpoint:
    """The state of a job between chunks. Checkpoints in the ledger have the field names of the subclass."""

    def to_json(self) -> dict[str, Any]:
        """The checkpoint as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> Self:
        """A stored checkpoint, or a fresh one for None."""
        return cls() if stored is None else cls(**cls.read_fields(stored))

    @classmethod
    def read_fields(cls, stored: dict[str, Any]) -> dict[str, Any]:
        """The values of the fields in stored JSON; overridden where JSON or an older version differs."""
        return stored
