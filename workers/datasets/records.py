"""What became of one clip, as bytes that a later run can go on from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.datasets.manifest import FileEntry
from workers.datasets.schema import TABLES, list_columns

LISTS = ("strings", "floats")


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """Shards and asset files that are stored already, and the clip's rows of the tables of the whole part."""

    clip: str
    shards: Mapping[str, FileEntry]
    files: tuple[FileEntry, ...]
    rows: Mapping[str, Sequence[Any]]
    # what it took, for the budget of a job that goes on; no part of a version
    seconds: float = 0.0

    def encode(self) -> bytes:
        """As JSON; numbers come back exactly."""
        content = {
            "clip": self.clip,
            "seconds": self.seconds,
            "shards": {name: file.as_json() for name, file in self.shards.items()},
            "files": [file.as_json() for file in self.files],
            "rows": {name: [asdict(row) for row in rows] for name, rows in self.rows.items()},
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> "ClipRecord":
        """What `encode` wrote."""
        content = json.loads(data)
        return cls(
            content["clip"],
            {name: FileEntry(**file) for name, file in content["shards"].items()},
            tuple(FileEntry(**file) for file in content["files"]),
            {name: [parse_row(name, row) for row in rows] for name, rows in content["rows"].items()},
            content.get("seconds", 0.0),
        )


def parse_row(table: str, values: dict[str, Any]) -> Any:
    """A row of a table from its values as JSON."""
    row = TABLES[table].row
    lists = {column.name for column in list_columns(row) if column.kind in LISTS}
    fixed = {name: tuple(v) if name in lists and v is not None else v for name, v in values.items()}
    return row(**fixed)
