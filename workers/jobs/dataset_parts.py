"""A dataset job seen from its plan: tasks become parts that any worker takes, outcomes come back."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from maquette.contract import DatasetJob, MediaRef

from storage.broker import DEFAULT_QUEUE
from storage.ledger import Part
from storage.ledger.parts import LOST
from workers.datasets import asset_work
from workers.datasets.clip_work import ClipWork, Components
from workers.datasets.executor import AssetTask, ClipResults, ClipTask, PartOutcome, dump_plan
from workers.datasets.failures import Failure
from workers.datasets.records import ClipRecord
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_json
from workers.engines.protocols import EngineInfo
from workers.errors import JobProblem, Parked
from workers.jobs.context import JobContext
from workers.jobs.dataset_sources import Origin, find_upload
from workers.jobs.dataset_world import JobWorkspace, open_source

FETCH, SURVEY, FOLLOW = "dataset.fetch", "dataset.survey", "dataset.follow"
CLIPS, ASSETS = "dataset.clips", "dataset.assets"
# what one such part is about is left out when every attempt lost its worker; without a fetch nothing is known
SPARED = frozenset({SURVEY, FOLLOW, CLIPS, ASSETS})


class DistributedExecutor:
    """A crew of many workers: what is not done yet parks the job, which asks again when it is woken.

    `lifting` is the engine of assets and its queue.
    """

    def __init__(
        self,
        context: JobContext,
        workspace: JobWorkspace,
        components: Components,
        settings: DatasetSettings,
        lifting: tuple[EngineInfo, str] | None,
    ) -> None:
        self._context, self._workspace, self._components, self._settings = (
            context,
            workspace,
            components,
            settings,
        )
        self._lifting = lifting
        # by stage, of what held a GPU
        self.gpu_seconds: dict[str, float] = defaultdict(float)
        # names of videos, and why they are left out
        self.unreadable: dict[str, str] = {}
        self._origins: dict[str, Origin] = {}
        self._surveys: dict[str, Survey] = {}
        self._outputs: dict[str, str] = {}

    def sources(self, found: Sequence[Origin], request: DatasetJob) -> list[Source]:
        """The videos of a request; those that are not here yet are fetched, each by a part."""
        away = {
            hash_json(asdict(origin)): {"origin": asdict(origin), "prices": self._prices}
            for origin in found
            if find_upload(request, origin) is None
        }
        fetched = self._done(FETCH, self._cheap_queue, away) if away else []
        brought = iter(json.loads(outcome.data) for outcome, _ in fetched)
        for origin in found:
            told = {"sha256": known} if (known := find_upload(request, origin)) else next(brought)
            if "sha256" in told:
                self._origins[told["sha256"]] = origin
            else:
                self.unreadable[str(origin.name)] = told["code"]
        if not self._origins:
            raise JobProblem("bucket_empty", f"none of {len(self.unreadable)} videos can be read")
        return [
            open_source(self._context, MediaRef(id=sha256), origin.info(request))
            for sha256, origin in self._origins.items()
        ]

    def readable(self, sources: Sequence[Source]) -> list[Source]:
        """The videos that can be looked at to their end; the others are left out, and told."""
        requests = {source.sha256: self._of(source) for source in sources}
        found = self._done(SURVEY, self._cheap_queue, requests)
        broken: list[Failure] = []
        for source, (outcome, _) in zip(sources, found, strict=True):
            if outcome.failure is None:
                self._surveys[source.sha256] = Survey.decode(outcome.data)
            else:
                self.unreadable[source.info.name or source.sha256] = outcome.failure.code
                broken.append(outcome.failure)
        if not self._surveys:
            raise JobProblem(broken[0].code, broken[0].detail)
        return [source for source in sources if source.sha256 in self._surveys]

    def surveys(self, sources: Sequence[Source]) -> list[Survey]:
        """A look needs no engine."""
        return [self._surveys[source.sha256] for source in sources]

    def clips(self, tasks: Sequence[ClipTask]) -> ClipResults:
        """Where the engine of the job is; of a GPU's engine only what it has to do itself."""
        requests: dict[str, dict[str, Any]] = {}
        ids: dict[str, str] = {}
        for task in tasks:
            key = ClipWork(self._workspace, self._components, self._settings, task.source, task.plan).key()
            flags = {"flags": list(task.clip.flags)}
            clip = {name: getattr(task.clip, name) for name in task.clip.__slots__} | flags
            requests[key] = {**self._of(task.source), "plan": dump_plan(task.plan), "clip": clip}
            ids[key] = task.plan.id
        ended: dict[str, PartOutcome] = {}
        if self._apart:
            # each part that follows adds the one that goes on
            then = {key: {**request, "then": self._cheap_queue} for key, request in requests.items()}
            followed = self._done(FOLLOW, self._context.job.queue, then)
            ended = {ids[key]: o for key, (o, _) in zip(ids, followed, strict=True) if not o.done}
            requests = {key: request for key, request in requests.items() if ids[key] not in ended}
        found = self._done(CLIPS, self._context.job.queue, requests) if requests else []
        named = [(ids[key], *item) for key, item in zip(requests, found, strict=True)]
        self._outputs = {name: output for name, outcome, output in named if outcome.done}
        ended |= {name: outcome for name, outcome, _ in named}
        return _worked({name: ended[name] for name in ids.values()})

    def assets(self, tasks: Sequence[AssetTask]) -> ClipResults:
        """Where an object engine is."""
        assert self._lifting is not None
        info, queue = self._lifting
        requests = {
            asset_work.compute_key(task, self._settings, info): {
                "record": self._outputs[task.record.clip],
                "count": task.count,
                "prices": self._prices,
            }
            for task in tasks
        }
        found = self._done(ASSETS, queue, requests)
        return _worked({task.record.clip: o for task, (o, _) in zip(tasks, found, strict=True)})

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
        key = hash_json(["apart"])
        known = self._workspace.get_cached(key)
        if known is None:
            apart = self._components.on_gpu and self._cheap_queue != self._context.job.queue
            known = b"yes" if apart else b"no"
            self._workspace.put_cached(key, known)
        return known == b"yes"

    @property
    def _cheap_queue(self) -> str:
        """Of workers without a GPU, where there are any."""
        here = self._context.job.queue
        return DEFAULT_QUEUE if DEFAULT_QUEUE in self._context.parts.list_queues() else here

    def _done(
        self, kind: str, queue: str, requests: Mapping[str, Mapping[str, Any]]
    ) -> list[tuple[PartOutcome, str]]:
        """What came of every part, and its sha256.

        Raises Parked while some are not over, JobProblem if one failed for all of the job.
        """
        known = self._context.parts.list_outcomes(kind)
        for row in known.values():
            if row.state == LOST and kind in SPARED:
                continue
            if row.problem is not None:
                raise JobProblem.from_problem(row.problem)
            if row.output is None:
                raise JobProblem("part_lost", f"a part of the job is {row.state} without a result", 500)
        missing = [key for key in requests if key not in known]
        if missing:
            raise Parked([Part(kind, key, queue, json.dumps(requests[key])) for key in missing])
        found = []
        for key in requests:
            output = str(known[key].output)
            if (problem := known[key].problem) is not None:
                found.append((PartOutcome(b"", failure=Failure(problem["code"], problem["detail"])), ""))
                continue
            outcome = PartOutcome.decode(self._context.get(output))
            for stage, seconds in outcome.stages.items():
                self._components.clock.seconds[stage] += seconds
                if outcome.on_gpu:
                    self.gpu_seconds[stage] += seconds
            found.append((outcome, output))
        return found


def _worked(ended: Mapping[str, PartOutcome]) -> ClipResults:
    """What became of clips, in their order."""
    limits = [outcome.limit for outcome in ended.values() if outcome.limit is not None]
    records = tuple(ClipRecord.decode(outcome.data) for outcome in ended.values() if outcome.done)
    failed = {clip: outcome.failure for clip, outcome in ended.items() if outcome.failure is not None}
    return ClipResults(records, limits[0] if limits else None, failed)
