"""Runs the stages of a dataset on many workers: every task is one or more parts of the job."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from maquette.contract.datasets import FunnelStep

from workers.datasets.executor import compute_clip_key
from workers.datasets.failures import Failure
from workers.datasets.planning import PlannedClips
from workers.datasets.records import ClipRecord
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.spooled_rows import spool_records
from workers.datasets.stages.assets import AssetStage
from workers.datasets.stages.base import ClipStage
from workers.datasets.summary import add_funnels, build_clip_funnel, build_plan_funnel
from workers.datasets.tasks import AssetTask, ClipResults, ClipTask, ClipTasks
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

    def run_clips(self, tasks: ClipTasks) -> ClipResults:
        """Each clip in one part, or in several that follow each other on other workers."""
        ended = _EndedClips()
        funnel = self._take_over(tasks, ended)
        if len(ended) == len(tasks):
            return ended.build_results(task.plan.id for task in tasks)
        placements = place_stages(self._context, self._workspace, self._stages)
        shared: dict[str, Any] = {"placements": [item.as_json() for item in placements], "step": 0}
        if len(placements) > 1:
            # workers without the engine need it for keys
            shared["engine"] = _describe(self._engine)
        for placement in placements:
            clips = [task.plan.id for task in tasks if task.plan.id not in ended]
            if not clips:
                break
            keys = [compute_clip_key(self._stages, task) for task in tasks if task.plan.id not in ended]
            requests = (
                {**self._build_request(task), **shared} for task in tasks if task.plan.id not in ended
            )
            parts = self._collector.collect(placement.kind, placement.queue, keys, requests, funnel)
            for clip, part in zip(clips, parts, strict=True):
                self._outputs[clip] = part.sha256
                # the outcome of a clip that is handed over is that of its last part
                if placement is placements[-1] or not part.outcome.is_done:
                    ended.add(clip, part.outcome)
        return ended.build_results(task.plan.id for task in tasks)

    def _take_over(self, tasks: ClipTasks, ended: "_EndedClips") -> tuple[FunnelStep, ...]:
        """Add the clips that earlier jobs have made of the same inputs; the funnel with what they have."""
        taken: tuple[FunnelStep, ...] = ()
        if self._earlier is None:
            return self._funnel
        with self._earlier as earlier:
            earlier.open(tasks)
            for task in tasks:
                record = earlier.find(task)
                if record is not None:
                    outcome = PartOutcome(record.encode())
                    self._outputs[task.plan.id] = self._context.put(outcome.encode())
                    ended.add(task.plan.id, outcome, is_taken=True)
                    taken = add_funnels(taken, build_clip_funnel(record.rows))
        return (*self._funnel, *taken)

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
        parts = self._collector.collect(ASSETS, queue, list(requests), requests.values())
        ended = _EndedClips()
        for task, part in zip(tasks, parts, strict=True):
            ended.add(task.record.clip, part.outcome)
        return ended.build_results([task.record.clip for task in tasks])

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


class _EndedClips:
    """What came of clips whose last part has ended; their records lie in files."""

    def __init__(self) -> None:
        # those of earlier jobs and those of this one, each in the order of the clips
        self._taken, self._made = spool_records(), spool_records()
        self._is_taken: dict[str, bool] = {}
        self._limits: dict[str, float] = {}
        self._failed: dict[str, Failure] = {}

    def __contains__(self, clip: object) -> bool:
        return clip in self._is_taken or clip in self._limits or clip in self._failed

    def __len__(self) -> int:
        return len(self._is_taken) + len(self._limits) + len(self._failed)

    def add(self, clip: str, outcome: PartOutcome, *, is_taken: bool = False) -> None:
        """Add a clip; those with a record in their order, apart from those that are taken over."""
        if outcome.limit is not None:
            self._limits[clip] = outcome.limit
        elif outcome.failure is not None:
            self._failed[clip] = outcome.failure
        else:
            self._is_taken[clip] = is_taken
            (self._taken if is_taken else self._made).append(ClipRecord.decode(outcome.data))

    def build_results(self, clips: Iterable[str]) -> ClipResults:
        """The results of all clips, given in their order."""
        order = list(clips)
        limits = [self._limits[clip] for clip in order if clip in self._limits]
        failed = {clip: self._failed[clip] for clip in order if clip in self._failed}
        return ClipResults(self._merge(order), limits[0] if limits else None, failed)

    def _merge(self, clips: Sequence[str]) -> Sequence[ClipRecord]:
        if not self._taken:
            return self._made
        records, taken, made = spool_records(), iter(self._taken), iter(self._made)
        records.extend(
            next(taken if self._is_taken[clip] else made) for clip in clips if clip in self._is_taken
        )
        return records
