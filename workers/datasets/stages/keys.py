"""The key of a stage's output: the same key always means the same output."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.datasets.schema import LineageRow
from workers.engines.protocols import EngineInfo


@dataclass(frozen=True, slots=True)
class StageKey:
    """What an output depends on: the stage and its code's version, hashes of inputs, parameters, weights."""

    stage: str
    version: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """sha256 over everything the output depends on."""
        return hash_json(
            [self.stage, self.version, list(self.inputs), dict(self.parameters), dict(self.weights)]
        )

    def lineage(self, clip: str, output: str) -> LineageRow:
        """The row of `lineage` that records it; `output` is the sha256 over the rows of the stage."""
        return LineageRow(
            clip=clip,
            stage=self.stage,
            key=self.digest(),
            inputs=self.inputs,
            code_version=self.version,
            parameters=json.dumps(dict(self.parameters), sort_keys=True),
            weights=json.dumps(dict(self.weights), sort_keys=True),
            output=output,
        )


def build_asset_key(inputs: tuple[str, ...], seed: int, engine: EngineInfo | None) -> StageKey:
    """What the 3D assets of a clip depend on; without an engine there are none."""
    return StageKey(
        "assets",
        "1",
        inputs,
        {"seed": seed, "engine": None if engine is None else engine.name},
        {} if engine is None else dict(engine.weights),
    )


def hash_json(content: Any) -> str:
    """sha256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_rows(rows: Sequence[Any]) -> str:
    """sha256 over rows; the repr of a frozen dataclass names every value."""
    hashed = hashlib.sha256()
    for row in rows:
        hashed.update(repr(row).encode())
    return hashed.hexdigest()
