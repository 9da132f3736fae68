"""The result of processing one clip, as bytes from which an interrupted job resumes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.datasets.manifest import FileEntry
from workers.datasets.schema import TABLES, list_columns

LIST_KINDS = ("strings", "floats")


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """The rows of a clip, and its files, which are stored already.

    `shards` are its own Parquet files by table, `files` its assets, `rows` its rows of the tables that are
    one file per dataset. `seconds` of processing count towards the budget of a job that resumes; they are not
    part of a version.
    """

    clip: str
    shards: Mapping[str, FileEntry]
    files: tuple[FileEntry, ...]
    rows: Mapping[str, Sequence[Any]]
    seconds: float = 0.0

    def encode(self) -> bytes:
        """As JSON; numbers are read back exactly."""
        return json.dumps(self.as_json(), separators=(",", ":")).encode()

    def as_json(self) -> dict[str, Any]:
        """The content of `encode`."""
        return {
            "clip": self.clip,
            "seconds": self.seconds,
            "shards": {name: file.as_json() for name, file in self.shards.items()},
            "files": [file.as_json() for file in self.files],
            "rows": {name: [asdict(row) for row in rows] for name, rows in self.rows.items()},
        }

    @classmethod
    def decode(cls, data: bytes) -> "ClipRecord":
        """The record that `encode` wrote."""
        return cls.from_json(json.loads(data))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ClipRecord":
        """The record that `as_json` described."""
        return cls(
            clip=content["clip"],
            shards={name: FileEntry(**file) for name, file in content["shards"].items()},
            files=tuple(FileEntry(**file) for file in content["files"]),
            rows={name: [parse_row(name, row) for row in rows] for name, rows in content["rows"].items()},
            seconds=content.get("seconds", 0.0),
        )


def parse_row(table: str, values: Mapping[str, Any]) -> Any:
    """A row of a table from its values as JSON."""
    row = TABLES[table].row
    lists = {column.name for column in list_columns(row) if column.kind in LIST_KINDS}
    return row(
        **{
            name: tuple(value) if name in lists and value is not None else value
            for name, value in values.items()
        }
    )
