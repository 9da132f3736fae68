"""Runs the stages of a dataset on many workers: every task is one or more parts of the job."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from maquette.contract.datasets import FunnelStep

from workers.datasets.executor import compute_clip_key
from workers.datasets.planning import PlannedClips
from workers.datasets.records import ClipRecord
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.assets import AssetStage
from workers.datasets.stages.base import ClipStage
from workers.datasets.summary import build_clip_funnel, build_plan_funnel
from workers.datasets.tasks import AssetTask, ClipResults, ClipTask
from workers.engines.protocols import EngineInfo
from workers.jobs.context import JobContext
from workers.jobs.dataset.earlier_clips import EarlierClips
from workers.jobs.dataset.outcomes import ASSETS, PartOutcome
from workers.jobs.dataset.part_collector import PartCollector
from workers.jobs.dataset.source_preparation import SourcePreparation
from workers.jobs.dataset.stage_placement import place_stages
from workers.jobs.dataset.workspace import JobWorkspace


class AssetEngine(NamedTuple):
    """The object engine of a job's assets, and the queue of its workers."""

    info: EngineInfo
    queue: str


class DistributedExecutor:
    """Places the stages of clips by the resources they declare (docs/adr/0011).

    What has not ended yet parks the job, which runs again when it is woken and finds the outcomes.
    """

    def __init__(
        self,
        context: JobContext,
        workspace: JobWorkspace,
        collector: PartCollector,
        preparation: SourcePreparation,
        stages: Sequence[ClipStage],
        settings: DatasetSettings,
        engine: EngineInfo,
        asset_engine: AssetEngine | None,
        earlier: EarlierClips | None = None,
    ) -> None:
        self._context, self._workspace, self._settings = context, workspace, settings
        self._collector, self._preparation = collector, preparation
        self._stages, self._engine, self._asset_engine = stages, engine, asset_engine
        self._earlier = earlier
        self._funnel: tuple[FunnelStep, ...] = ()
        # the sha256 of the outcome of each clip
        self._outputs: dict[str, str] = {}

    def note_plan(self, plan: PlannedClips) -> None:
        """Let progress begin with what planning received and kept."""
        self._funnel = build_plan_funnel(
            {"sources": plan.sources, "clips": plan.clips, "decisions": plan.decisions}
        )

    def run_surveys(self, sources: Sequence[Source]) -> Iterator[Survey]:
        """The surveys, which preparing the sources has made."""
        return (self._preparation.read_survey(source) for source in sources)

    def run_clips(self, tasks: Sequence[ClipTask]) -> ClipResults:
        """Each clip in one part, or in several that follow each other on other workers."""
        ended = self._take_over(tasks)
        funnel = self._build_funnel(ended)
        order = [task.plan.id for task in tasks]
        tasks = [task for task in tasks if task.plan.id not in ended]
        if not tasks:
            return _build_results({clip: ended[clip] for clip in order})
        placements = place_stages(self._context, self._workspace, self._stages)
        shared: dict[str, Any] = {"placements": [item.as_json() for item in placements], "step": 0}
        if len(placements) > 1:
            # workers without the engine need it for keys
            shared["engine"] = _describe(self._engine)
        keys = {task.plan.id: compute_clip_key(self._stages, task) for task in tasks}
        requests = {task.plan.id: {**self._build_request(task), **shared} for task in tasks}
        for placement in placements:
            clips = [clip for clip in requests if clip not in ended]
            if not clips:
                break
            open_requests = {keys[clip]: requests[clip] for clip in clips}
            parts = self._collector.collect(placement.kind, placement.queue, open_requests, funnel)
            for clip, part in zip(clips, parts, strict=True):
                self._outputs[clip] = part.sha256
                # the outcome of a clip that is handed over is that of its last part
                if placement is placements[-1] or not part.outcome.is_done:
                    ended[clip] = part.outcome
        return _build_results({clip: ended[clip] for clip in order})

    def _take_over(self, tasks: Sequence[ClipTask]) -> dict[str, PartOutcome]:
        """The clips that earlier jobs have made of the same inputs."""
        taken: dict[str, PartOutcome] = {}
        if self._earlier is None:
            return taken
        with self._earlier as earlier:
            earlier.open(tasks)
            for task in tasks:
                record = earlier.find(task)
                if record is not None:
                    outcome = PartOutcome(record.encode())
                    self._outputs[task.plan.id] = self._context.put(outcome.encode())
                    taken[task.plan.id] = outcome
        return taken

    def _build_funnel(self, taken: Mapping[str, PartOutcome]) -> tuple[FunnelStep, ...]:
        """What planning kept, and the clips that earlier jobs have made."""
        if not taken:
            return self._funnel
        rows: dict[str, list[Any]] = defaultdict(list)
        for outcome in taken.values():
            for table, own in ClipRecord.decode(outcome.data).rows.items():
                rows[table] += own
        return (*self._funnel, *build_clip_funnel(rows))

    def run_assets(self, tasks: Sequence[AssetTask]) -> ClipResults:
        """The assets of each clip, where an object engine is."""
        assert self._asset_engine is not None
        info, queue = self._asset_engine
        stage = AssetStage(self._workspace, self._settings.seed, info)
        requests = {
            stage.compute_cache_key(task): {
                "record": self._outputs[task.record.clip],
                "count": task.count,
                "prices": self._settings.limits.prices.as_json(),
            }
            for task in tasks
        }
        parts = self._collector.collect(ASSETS, queue, requests)
        outcomes = {task.record.clip: part.outcome for task, part in zip(tasks, parts, strict=True)}
        return _build_results(outcomes)

    def _build_request(self, task: ClipTask) -> dict[str, Any]:
        common = self._preparation.build_request(task.source)
        return {**common, "plan": task.plan.as_json(), "clip": asdict(task.row)}


def _describe(engine: EngineInfo) -> dict[str, Any]:
    """An engine for workers that do not have it: what keys depend on, without its vocabulary."""
    return {
        "name": engine.name,
        "kind": engine.kind,
        "version": engine.version,
        "device": engine.device,
        "licence": engine.licence,
        "capabilities": (),
        "limits": (),
        "weights": dict(engine.weights),
    }


def _build_results(ended: Mapping[str, PartOutcome]) -> ClipResults:
    """The results of clips, in their order."""
    limits = [outcome.limit for outcome in ended.values() if outcome.limit is not None]
    records = tuple(ClipRecord.decode(outcome.data) for outcome in ended.values() if outcome.is_done)
    failed = {clip: outcome.failure for clip, outcome in ended.items() if outcome.failure is not None}
    return ClipResults(records, limits[0] if limits else None, failed)
