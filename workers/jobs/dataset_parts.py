"""The tasks of a dataset job as parts that any worker takes: fetches, surveys, clips, assets of clips."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from maquette.contract import DatasetJob, MediaRef

from storage.broker import DEFAULT_QUEUE
from storage.ledger import Part, Spent
from workers.datasets import asset_work
from workers.datasets.clip_work import ClipWork, Tools
from workers.datasets.crew import AssetTask, ClipTask, Outcome, Worked, plan_json, plan_of
from workers.datasets.errors import DatasetError
from workers.datasets.limits import Prices
from workers.datasets.records import ClipRecord, row_of
from workers.datasets.reels import Reel
from workers.datasets.serial import told
from workers.datasets.settings import Settings
from workers.datasets.source import Source
from workers.datasets.stages.keys import digest
from workers.datasets.stages.survey import Survey
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.surveying import surveyed
from workers.engines.protocols import EngineInfo
from workers.errors import JobProblem, Parked
from workers.jobs.context import JobContext
from workers.jobs.dataset_sources import Origin, fetch, uploaded
from workers.jobs.dataset_world import JobPorts, source_of, tools_of

FETCH, SURVEY, CLIPS, ASSETS = "dataset.fetch", "dataset.survey", "dataset.clips", "dataset.assets"


class Spread:
    """A crew of many workers: what is not done yet parks the job, which asks again when it is woken.

    `lifting` is the engine of assets and its queue.
    """

    def __init__(
        self,
        context: JobContext,
        tools: Tools,
        settings: Settings,
        lifting: tuple[EngineInfo, str] | None,
    ) -> None:
        self._context, self._tools, self._settings = context, tools, settings
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
        """Where the engine of the job is."""
        requests = {}
        for task in tasks:
            key = ClipWork(JobPorts(self._context), self._tools, self._settings, task.source, task.plan).key()
            flags = {"flags": list(task.clip.flags)}
            clip = {name: getattr(task.clip, name) for name in task.clip.__slots__} | flags
            requests[key] = {**self._of(task.source), "plan": plan_json(task.plan), "clip": clip}
        found = self._done(CLIPS, self._context.job.queue, requests)
        worked = _worked(found)
        outputs = (output for outcome, output in found if outcome.limit is None)
        self._outputs = {r.clip: output for r, output in zip(worked.records, outputs, strict=True)}
        return worked

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


def run_part(context: JobContext) -> tuple[str, Spent]:
    """Do one part; gives the sha256 of its outcome and what it took."""
    request = DatasetJob.model_validate_json(context.whole().request)
    content = json.loads(context.job.request)
    clock = Stopwatch()
    begun = clock.now()
    settings = Settings.of(request, Prices(**content["prices"]))
    try:
        outcome = _RUN[context.job.kind](context, request, settings, content)
    except DatasetError as error:
        raise JobProblem(error.code, error.detail) from error
    seconds = clock.now() - begun
    return context.put(outcome.encode()), Spent(seconds, seconds if context.engines.on_gpu else 0.0)


def _fetch(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    clock = Stopwatch()
    with clock("fetch"):
        sha256 = fetch(context, request, Origin.of(content["origin"]))
    return Outcome(sha256.encode(), clock.seconds)


def _survey(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    clock = Stopwatch()
    found = surveyed(JobPorts(context), clock, _source(context, request, content))
    return Outcome(found.encode(), clock.seconds)


def _clip(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    if (limit := _limit(context, settings)) is not None:
        return Outcome(b"", limit=limit)
    source, plan = _source(context, request, content), plan_of(content["plan"])
    tools, ports = tools_of(context, request, settings), JobPorts(context)
    work = ClipWork(ports, tools, settings, source, plan)
    _same(context, work.key())
    with closing(Reel(source, plan.last)) as reel:
        frames = told(reel.clip(plan), ports, tools, 0, len(plan.frames))
        record = work.run(row_of("clips", content["clip"]), frames)
    return Outcome(record.encode(), tools.clock.seconds)


def _assets(context: JobContext, request: DatasetJob, settings: Settings, content: dict[str, Any]) -> Outcome:
    if (limit := _limit(context, settings)) is not None:
        return Outcome(b"", limit=limit)
    record = ClipRecord.decode(Outcome.decode(context.stored(content["record"])).data)
    task, engine = AssetTask(record, content["count"]), context.engines.objects()
    _same(context, asset_work.key(task, settings, engine.info))
    clock = Stopwatch()
    with clock("assets"):
        record = asset_work.lift(JobPorts(context), engine, settings, task)
    return Outcome(record.encode(), clock.seconds)


_RUN: dict[str, Callable[[JobContext, DatasetJob, Settings, dict[str, Any]], Outcome]] = {
    FETCH: _fetch,
    SURVEY: _survey,
    CLIPS: _clip,
    ASSETS: _assets,
}


def _limit(context: JobContext, settings: Settings) -> float | None:
    if not settings.limits.any:
        return None
    spent = context.spent()
    return settings.limits.reached(spent.seconds, spent.gpu_seconds)


def _source(context: JobContext, request: DatasetJob, content: dict[str, Any]) -> Source:
    info = Origin.of(content["origin"]).info(request)
    return source_of(context, MediaRef(id=content["sha256"]), info)


def _same(context: JobContext, key: str) -> None:
    """Workers of other code or weights would mix two datasets in one."""
    if key != context.job.part:
        raise JobProblem(
            "worker_differs",
            "this worker has other code, weights or plug-ins than the one that planned the job: "
            "run the same release on all workers, and send the job again",
            409,
        )


def _worked(found: Sequence[tuple[Outcome, str]]) -> Worked:
    limits = [outcome.limit for outcome, _ in found if outcome.limit is not None]
    records = tuple(ClipRecord.decode(outcome.data) for outcome, _ in found if outcome.limit is None)
    return Worked(records, limits[0] if limits else None)
