"""Rows of how a dataset came about: scores, decisions and lineage."""

from dataclasses import dataclass
from typing import Annotated

from workers.datasets.schema.columns import Strings

# the gate of decisions that a person made
REVIEW_GATE = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """A measurement of a clip or a track."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null for the clip itself"]
    stage: Annotated[str, "stage that measured it"]
    name: Annotated[str, "what was measured"]
    value: Annotated[float | None, "null if it could not be measured"]
    unit: Annotated[str, "unit of the value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """The decision of a gate with its score and bounds, or of a person (`review`), who overrules gates."""

    clip: Annotated[str, "in clips"]
    track: Annotated[int | None, "in tracks; null for the clip itself"]
    gate: Annotated[str, "name of the gate; rows of caption_alignment are in the order of captions"]
    score: Annotated[float | None, "null if it was not measured; it passes then"]
    low: Annotated[float | None, "passes at or above; null for no lower bound"]
    high: Annotated[float | None, "passes at or below; null for no upper bound"]
    passed: Annotated[bool, "the decision"]
    policy: Annotated[str, "name and version of the policy"]
    reason: Annotated[
        str | None,
        "code of the failure of a clip that could not be processed, or the reviewer's words; null for gates "
        "with bounds",
    ]
    reviewer: Annotated[str | None, "who decided by hand; null for all gates but review"] = None
    reviewed_at: Annotated[str | None, "when, ISO 8601 in UTC; null for all gates but review"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """Provenance: the inputs and the output of a stage; the same key always gives the same output."""

    clip: Annotated[str, "in clips"]
    stage: Annotated[str, "name of the stage"]
    key: Annotated[str, "sha256 over inputs, code version, parameters and weights"]
    inputs: Annotated[Strings, "sha256 of the inputs"]
    code_version: Annotated[str, "version of the code of the stage"]
    parameters: Annotated[str, "JSON"]
    weights: Annotated[str, "JSON, file to sha256; {} for none"]
    output: Annotated[str, "sha256 over the rows of the output"]
