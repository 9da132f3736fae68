"""From videos to all that a dataset holds: survey, plan, process clip by clip, then make assets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from workers.datasets import budget, failures
from workers.datasets.executor import Executor
from workers.datasets.failures import Failure
from workers.datasets.planning import PlannedClips, plan_dataset
from workers.datasets.records import ClipRecord
from workers.datasets.schema import ClipRow, DecisionRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import Source
from workers.datasets.spooled_rows import spool_records, spool_table
from workers.datasets.stages.assets import flag_failed_assets
from workers.datasets.tasks import AssetTask, ClipResults, ClipTasks


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """All that is known when the last clip is done; `failed` has the clips that could not be processed."""

    plan: PlannedClips
    records: Sequence[ClipRecord]
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
        results = self._executor.run_clips(ClipTasks(unique, plan.plans, plan.clips))
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
        clips, decisions = plan.clips, spool_table(DecisionRow)
        decisions.extend(plan.decisions)
        if results.limit is not None:
            tried = {record.clip for record in results.records} | results.failed.keys()
            remaining, over_budget = budget.exclude_unchosen(clips, tried, results.limit, policy)
            decisions.extend(over_budget)
            clips = spool_table(ClipRow)
            clips.extend(remaining)
        if results.failed:
            remaining, failed = failures.exclude_failed(clips, results.failed, policy)
            decisions.extend(failed)
            clips = spool_table(ClipRow)
            clips.extend(remaining)
        return replace(plan, clips=clips, decisions=decisions)

    def _add_assets(self, records: Sequence[ClipRecord]) -> tuple[Sequence[ClipRecord], float | None]:
        """The records with assets of the first kept tracks, and the limit of the budget if it was reached."""
        tasks = list(_choose_assets(records, self._settings.assets))
        if not tasks:
            return records, None
        results = self._executor.run_assets(tasks)
        changed = {record.clip: record for record in results.records}
        changed |= {
            record.clip: _without_assets(record)
            for record in (task.record for task in tasks)
            if record.clip in results.failed
        }
        lifted = spool_records()
        lifted.extend(changed.get(record.clip, record) for record in records)
        return lifted, results.limit


def _choose_assets(records: Iterable[ClipRecord], most: int) -> Iterator[AssetTask]:
    """Tasks for the first kept tracks, at most so many."""
    for record in records:
        if not most:
            return
        count = min(most, sum(row.kept for row in record.rows["tracks"]))
        if count:
            yield AssetTask(record, count)
            most -= count


def _without_assets(record: ClipRecord) -> ClipRecord:
    """A clip whose assets failed keeps all else."""
    [clip] = record.rows["clips"]
    return replace(record, rows={**record.rows, "clips": [flag_failed_assets(clip)]})
