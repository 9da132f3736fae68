"""The key of a stage: the same key always means the same output."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.datasets.schema import LineageRow

# raised whenever the stage's output changes for the same input
VERSIONS: dict[str, str] = {
    "survey": "4",
    "cameras": "2",
    "tracks": "2",
    "gates": "1",
    "boxes3d": "3",
    "appearance": "1",
    "assets": "1",
    "actions": "2",
    "captions": "3",
}


@dataclass(frozen=True, slots=True)
class StageKey:
    """What a stage depends on."""

    stage: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def code_version(self) -> str:
        """Of the stage's code."""
        return VERSIONS[self.stage]

    def digest(self) -> str:
        """sha256 over everything the stage depends on."""
        return hash_json(
            [self.stage, self.code_version, list(self.inputs), dict(self.parameters), dict(self.weights)]
        )

    def lineage(self, clip: str, output: str) -> LineageRow:
        """The row that says so."""
        return LineageRow(
            clip=clip,
            stage=self.stage,
            key=self.digest(),
            inputs=self.inputs,
            code_version=self.code_version,
            parameters=json.dumps(dict(self.parameters), sort_keys=True),
            weights=json.dumps(dict(self.weights), sort_keys=True),
            output=output,
        )


def hash_json(content: Any) -> str:
    """sha256 of anything JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_rows(rows: Sequence[Any]) -> str:
    """sha256 over rows; repr of frozen dataclasses names every value."""
    hashed = hashlib.sha256()
    for row in rows:
        hashed.update(repr(row).encode())
    return hashed.hexdigest()
