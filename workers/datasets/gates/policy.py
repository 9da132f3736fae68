"""Which scores pass: named, versioned bounds. Scores are measured elsewhere and kept, whatever is decided."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.datasets.schema import DecisionRow, ScoreRow

Bound = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Bounds by gate, inclusive; a score that could not be measured passes, and its decision says null."""

    name: str
    bounds: Mapping[str, Bound]

    def decide(self, scores: Sequence[ScoreRow]) -> list[DecisionRow]:
        """A decision for each score that has a gate of its name."""
        found = []
        for score in scores:
            if score.name not in self.bounds:
                continue
            low, high = self.bounds[score.name]
            value = score.value
            passed = value is None or (
                (low is None or value >= low - 1e-9) and (high is None or value <= high + 1e-9)
            )
            found.append(
                DecisionRow(
                    clip=score.clip,
                    track=score.track,
                    gate=score.name,
                    score=value,
                    low=low,
                    high=high,
                    passed=passed,
                    policy=self.name,
                    reason=None,
                )
            )
        return found

    def with_bounds(self, bounds: Mapping[str, Bound]) -> "GatePolicy":
        """The policy with other bounds; its name tells which."""
        merged = {**self.bounds, **bounds}
        told = json.dumps({name: list(bound) for name, bound in sorted(bounds.items())})
        suffix = hashlib.sha256(told.encode()).hexdigest()[:8]
        return GatePolicy(f"{self.name}+{suffix}", merged)

    def with_min_duration(self, seconds: float) -> "GatePolicy":
        """The policy with the shortest clip that the job's own settings ask for."""
        return GatePolicy(self.name, {**self.bounds, "duration": (seconds, None)})

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {"name": self.name, "bounds": {name: list(bound) for name, bound in self.bounds.items()}}


DEFAULT = GatePolicy(
    "maquette-3",
    {
        # clips
        "luminance": (20.0, 230.0),
        "sharpness": (4.0, None),
        "motion": (0.05, None),
        "near_duplicate": (7.0, None),
        "text_area": (None, 0.15),
        # tracks
        "length": (4.0, None),
        "visible_fraction": (0.5, None),
        "area": (64.0, None),
        "area_share": (None, 0.9),
        "truncation": (None, 0.8),
        "flicker": (None, 0.25),
        "id_switch": (None, 0.0),
        "reidentification": (0.6, None),
        "box_mask": (0.75, None),
        "jitter_3d": (None, 0.2),
        "size_constancy": (None, 0.5),
        # captions
        "caption_alignment": (0.5, None),
    },
)
