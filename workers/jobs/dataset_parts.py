"""A dataset job seen from its plan: tasks become parts that any worker takes, outcomes come back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from maquette.contract import DatasetJob, MediaRef

from storage.broker import DEFAULT_QUEUE
from storage.ledger import Part
from workers.datasets import asset_work
from workers.datasets.clip_work import ClipWork, Tools
from workers.datasets.crew import AssetTask, ClipTask, Outcome, Worked, plan_json
from workers.datasets.records import ClipRecord
from workers.datasets.settings import Settings
from workers.datasets.source import Source
from workers.datasets.stages.keys import digest
from workers.datasets.stages.survey import Survey
from workers.engines.protocols import EngineInfo
from workers.errors import JobProblem, Parked
from workers.jobs.context import JobContext
from workers.jobs.dataset_sources import Origin, uploaded
from workers.jobs.dataset_world import JobPorts, source_of

FETCH, SURVEY, FOLLOW = "dataset.fetch", "dataset.survey", "dataset.follow"
CLIPS, ASSETS = "dataset.clips", "dataset.assets"


class Spread:
    """A crew of many workers: what is not done yet parks the job, which asks again when it is woken.

    `lifting` is the engine of assets and its queue.
    """

    def __init__(
        self,
        context: JobContext,
        ports: JobPorts,
        tools: Tools,
        settings: Settings,
        lifting: tuple[EngineInfo, str] | None,
    ) -> None:
        self._context, self._ports, self._tools, self._settings = context, ports, tools, settings
        self._lifting = lifting
        self._origins: dict[str, Origin] = {}
        self._outputs: dict[str, str] = {}

    def sources(self, found: Sequence[Origin], request: DatasetJob) -> list[Source]:
        """The videos of a request; those that are not here yet are fetched, each by a part."""
        away = {
            digest(asdict(origin)): {"origin": asdict(origin), "prices": self._prices}
            for origin in found
            if uploaded(request, origin) is None
        }
        fetched = self._done(FETCH, self._cheap_queue, away) if away else []
        brought = iter(outcome.data.decode() for outcome, _ in fetched)
        for origin in found:
            self._origins[uploaded(request, origin) or next(brought)] = origin
        return [
            source_of(self._context, MediaRef(id=sha256), origin.info(request))
            for sha256, origin in self._origins.items()
        ]

    def surveys(self, sources: Sequence[Source]) -> list[Survey]:
        """A look needs no engine."""
        requests = {source.sha256: self._of(source) for source in sources}
        found = self._done(SURVEY, self._cheap_queue, requests)
        return [Survey.decode(outcome.data) for outcome, _ in found]

    def clips(self, tasks: Sequence[ClipTask]) -> Worked:
        """Where the engine of the job is; of a GPU's engine only what it has to do itself."""
        requests: dict[str, dict[str, Any]] = {}
        for task in tasks:
            key = ClipWork(self._ports, self._tools, self._settings, task.source, task.plan).key()
            flags = {"flags": list(task.clip.flags)}
            clip = {name: getattr(task.clip, name) for name in task.clip.__slots__} | flags
            requests[key] = {**self._of(task.source), "plan": plan_json(task.plan), "clip": clip}
        limit = None
        if self._apart:
            requests, limit = self._followed(requests)
        found = self._done(CLIPS, self._context.job.queue, requests) if requests else []
        worked = _worked(found)
        outputs = (output for outcome, output in found if outcome.limit is None)
        self._outputs = {r.clip: output for r, output in zip(worked.records, outputs, strict=True)}
        return Worked(worked.records, worked.limit if limit is None else limit)

    def _followed(
        self, requests: dict[str, dict[str, Any]]
    ) -> tuple[dict[str, dict[str, Any]], float | None]:
        """The requests that the budget has not left out; each part that follows adds the one that goes on."""
        then = {"then": self._cheap_queue}
        apart = {key: {**request, **then} for key, request in requests.items()}
        found = self._done(FOLLOW, self._context.job.queue, apart)
        ends = {key: outcome.limit for key, (outcome, _) in zip(requests, found, strict=True)}
        rest = {key: request for key, request in requests.items() if ends[key] is None}
        return rest, next((limit for limit in ends.values() if limit is not None), None)

    def assets(self, tasks: Sequence[AssetTask]) -> Worked:
        """Where an object engine is."""
        assert self._lifting is not None
        info, queue = self._lifting
        requests = {
            asset_work.key(task, self._settings, info): {
                "record": self._outputs[task.record.clip],
                "count": task.count,
                "prices": self._prices,
            }
            for task in tasks
        }
        return _worked(self._done(ASSETS, queue, requests))

    def _of(self, source: Source) -> dict[str, Any]:
        origin = self._origins[source.sha256].brief()
        return {"origin": origin, "sha256": source.sha256, "prices": self._prices}

    @property
    def _prices(self) -> dict[str, float | None]:
        # those of the worker that planned hold for all
        return self._settings.limits.prices.as_json()

    @property
    def _apart(self) -> bool:
        """Whether clips are followed on GPUs and finished by others; a job keeps to what it began with."""
        key = digest(["apart"])
        known = self._ports.recall(key)
        if known is None:
            apart = self._tools.on_gpu and self._cheap_queue != self._context.job.queue
            known = b"yes" if apart else b"no"
            self._ports.remember(key, known)
        return known == b"yes"

    @property
    def _cheap_queue(self) -> str:
        """Of workers without a GPU, where there are any."""
        here = self._context.job.queue
        return DEFAULT_QUEUE if DEFAULT_QUEUE in self._context.queues() else here

    def _done(
        self, kind: str, queue: str, requests: Mapping[str, Mapping[str, Any]]
    ) -> list[tuple[Outcome, str]]:
        """What came of every part, and its sha256.

        Raises Parked while some are not over, JobProblem if one failed.
        """
        known = self._context.outcomes(kind)
        for row in known.values():
            if row.problem is not None:
                raise JobProblem.of(row.problem)
            if row.output is None:
                raise JobProblem("part_lost", f"a part of the job is {row.state} without a result", 500)
        missing = [key for key in requests if key not in known]
        if missing:
            raise Parked([Part(kind, key, queue, json.dumps(requests[key])) for key in missing])
        found = []
        for key in requests:
            output = str(known[key].output)
            outcome = Outcome.decode(self._context.stored(output))
            for stage, seconds in outcome.stages.items():
                self._tools.clock.seconds[stage] += seconds
            found.append((outcome, output))
        return found


def _worked(found: Sequence[tuple[Outcome, str]]) -> Worked:
    limits = [outcome.limit for outcome, _ in found if outcome.limit is not None]
    records = tuple(ClipRecord.decode(outcome.data) for outcome, _ in found if outcome.limit is None)
    return Worked(records, limits[0] if limits else None)
