"""From videos to all that a dataset holds: survey, plan, process clip by clip, then make assets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from workers.datasets import budget, failures
from workers.datasets.executor import Executor
from workers.datasets.failures import Failure
from workers.datasets.planning import PlannedClips, plan_dataset
from workers.datasets.records import ClipRecord
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stages.assets import flag_failed_assets
from workers.datasets.tasks import AssetTask, ClipResults, ClipTask


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """All that is known when the last clip is done; `failed` has the clips that could not be processed."""

    plan: PlannedClips
    records: tuple[ClipRecord, ...]
    budget_reached: bool = False
    failed: Mapping[str, Failure] = field(default_factory=dict)


class Pipeline:
    """Makes one dataset. Interrupted at any point and run again, it makes the same one."""

    def __init__(
        self,
        executor: Executor,
        settings: DatasetSettings,
        on_plan: Callable[[PlannedClips], None] = lambda _: None,
    ) -> None:
        """`on_plan` receives the plan before any clip is processed."""
        self._executor, self._settings, self._on_plan = executor, settings, on_plan

    def run(self, sources: Sequence[Source]) -> PipelineResult:
        """Do everything but write; raises DatasetError, MediaError, or what reporting progress raises.

        Clips that cannot be processed are left out; `all_clips_failed` is raised when none can.
        """
        unique = list({source.sha256: source for source in sources}.values())
        plan = self.plan(unique)
        self._on_plan(plan)
        pairs = zip(plan.plans, plan.clips, strict=True)
        tasks = [ClipTask(unique[clip.source], clip, row) for clip, row in pairs if row.kept]
        results = self._executor.run_clips(tasks)
        failures.check_any_succeeded(results.failed, len(results.records))
        records, limit = self._add_assets(results.records)
        return PipelineResult(
            self._exclude(plan, results),
            records,
            results.limit is not None or limit is not None,
            results.failed,
        )

    def plan(self, sources: Sequence[Source]) -> PlannedClips:
        """Survey every source, divide it into clips, and score them by their surveys."""
        return plan_dataset(sources, self._executor.run_surveys(sources), self._settings)

    def _exclude(self, plan: PlannedClips, results: ClipResults) -> PlannedClips:
        """The plan without the clips that the budget left out or that failed, and with their decisions."""
        policy = self._settings.policy.name
        clips, decisions = list(plan.clips), list(plan.decisions)
        if results.limit is not None:
            tried = {record.clip for record in results.records} | results.failed.keys()
            remaining, over_budget = budget.exclude_unchosen(clips, tried, results.limit, policy)
            clips, decisions = list(remaining), [*decisions, *over_budget]
        clips, failed = failures.exclude_failed(clips, results.failed, policy)
        return replace(plan, clips=tuple(clips), decisions=(*decisions, *failed))

    def _add_assets(self, records: tuple[ClipRecord, ...]) -> tuple[tuple[ClipRecord, ...], float | None]:
        """The records with assets of the first kept tracks, and the limit of the budget if it was reached."""
        left, tasks = self._settings.assets, []
        for record in records:
            count = min(left, sum(row.kept for row in record.rows["tracks"]))
            if count:
                tasks.append(AssetTask(record, count))
                left -= count
        if not tasks:
            return records, None
        results = self._executor.run_assets(tasks)
        changed = {record.clip: record for record in results.records}
        changed |= {
            record.clip: _without_assets(record)
            for record in (task.record for task in tasks)
            if record.clip in results.failed
        }
        return tuple(changed.get(record.clip, record) for record in records), results.limit


def _without_assets(record: ClipRecord) -> ClipRecord:
    """A clip whose assets failed keeps all else."""
    [clip] = record.rows["clips"]
    return replace(record, rows={**record.rows, "clips": [flag_failed_assets(clip)]})
