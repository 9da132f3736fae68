"""Turns work into parts of the job, and collects their outcomes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from maquette.contract.datasets import FunnelStep

from storage.ledger import Part, PartRow
from storage.ledger.parts import LOST
from workers.datasets.failures import Failure
from workers.datasets.spooled_rows import SpooledRows
from workers.errors import JobProblem, Parked
from workers.jobs.context import JobContext
from workers.jobs.dataset.outcomes import SPARED, PartOutcome


@dataclass(frozen=True, slots=True)
class CollectedPart:
    """The outcome of a part, and the sha256 of what is stored of it; empty for one that was lost."""

    outcome: PartOutcome
    sha256: str


class PartCollector:
    """Asks the ledger which parts have ended, and adds up the seconds that they took.

    `seconds` are by stage, and `gpu_seconds` the part of them on workers with a GPU.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.seconds: dict[str, float] = defaultdict(float)
        self.gpu_seconds: dict[str, float] = defaultdict(float)

    def collect(
        self,
        kind: str,
        queue: str,
        keys: Sequence[str],
        requests: Iterable[Mapping[str, Any]],
        funnel: Sequence[FunnelStep] = (),
    ) -> Iterator[CollectedPart]:
        """The parts of all requests, in their order; read one by one. `keys` are their part keys.

        Raises Parked with those that are missing, and the funnel that they add to: the job runs again when
        they have ended. Raises JobProblem if one failed in a way that fails the job.
        """
        if not keys:
            return iter(())
        ended = self._context.parts.list_outcomes(kind)
        for row in ended.values():
            _check(kind, row)
        missing = set(keys) - ended.keys()
        if missing:
            parts = SpooledRows[Part](attrgetter(*Part.__slots__), lambda values: Part(*values))
            # parts of equal keys are one
            for key, request in zip(keys, requests, strict=True):
                if key in missing:
                    parts.append(Part(kind, key, queue, json.dumps(request)))
                    missing.remove(key)
            raise Parked(parts, funnel)
        return (self._load(ended[key]) for key in keys)

    def _load(self, row: PartRow) -> CollectedPart:
        if row.problem is not None:
            failure = Failure(row.problem["code"], row.problem["detail"])
            return CollectedPart(PartOutcome(b"", failure=failure), "")
        output = str(row.output)
        outcome = PartOutcome.decode(self._context.get(output))
        for stage, seconds in outcome.stages.items():
            self.seconds[stage] += seconds
            if outcome.on_gpu:
                self.gpu_seconds[stage] += seconds
        return CollectedPart(outcome, output)


def _check(kind: str, row: PartRow) -> None:
    """Raise JobProblem for a part that fails the job."""
    if row.state == LOST and kind in SPARED:
        return
    if row.problem is not None:
        raise JobProblem.from_problem(row.problem)
    if row.output is None:
        raise JobProblem("part_lost", f"a part of the job is {row.state} without a result", 500)
