"""From videos to a dataset's files: survey all, plan, gate cheaply, work clip by clip, then write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from workers.datasets import budget, failures, splits
from workers.datasets.executor import AssetTask, ClipResults, ClipTask, Executor
from workers.datasets.failures import Failure
from workers.datasets.images import fit_size
from workers.datasets.records import ClipRecord
from workers.datasets.schema import ClipRow, DecisionRow, ScoreRow, SourceRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots import near_duplicates
from workers.datasets.shots.clip_planning import ClipPlan, plan_clips
from workers.datasets.shots.near_duplicates import Neighbours
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.surveying import STAGE

# more shots than one source can have
SHOTS = 1 << 32


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """What the cheap look decided, before any engine has run; `seconds` of video were looked at."""

    sources: tuple[SourceRow, ...]
    plans: tuple[ClipPlan, ...]
    clips: tuple[ClipRow, ...]
    scores: tuple[ScoreRow, ...]
    decisions: tuple[DecisionRow, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """All that is known when the last clip is done."""

    planned: DatasetPlan
    records: tuple[ClipRecord, ...]
    budget_reached: bool = False
    failed: Mapping[str, Failure] = field(default_factory=dict)


class Pipeline:
    """Makes one dataset. Interrupted at any point and run again, it makes the same one."""

    def __init__(self, crew: Executor, settings: DatasetSettings) -> None:
        self._crew, self._settings = crew, settings

    def run(self, sources: Sequence[Source]) -> PipelineResult:
        """Do everything but write; raises DatasetError, MediaError, or what `progress` raises.

        Clips that cannot be worked on are left out; `all_clips_failed` is raised when none can.
        """
        unique = list({source.sha256: source for source in sources}.values())
        planned = self.plan(unique)
        pairs = zip(planned.plans, planned.clips, strict=True)
        worked = self._crew.clips([ClipTask(unique[p.source], p, clip) for p, clip in pairs if clip.kept])
        failures.check_any_succeeded(worked.failed, len(worked.records))
        policy = self._settings.policy.name
        clips, left = list(planned.clips), list(planned.decisions)
        if worked.limit is not None:
            tried = {record.clip for record in worked.records} | worked.failed.keys()
            clips, spent = budget.exclude_clips(clips, tried, worked.limit, policy)
            left += spent
        clips, broken = failures.exclude_failed(clips, worked.failed, policy)
        planned = replace(planned, clips=tuple(clips), decisions=(*left, *broken))
        records, limit = self._lifted(worked.records)
        return PipelineResult(planned, records, worked.limit is not None or limit is not None, worked.failed)

    def plan(self, sources: Sequence[Source]) -> DatasetPlan:
        """Survey every source, cut it into clips, and judge them by what is cheap."""
        surveys = self._crew.surveys(sources)
        plans: list[ClipPlan] = []
        shots = []
        for index, (source, seen) in enumerate(zip(sources, surveys, strict=True)):
            count, found = plan_clips(source, index, seen, self._settings)
            plans += found
            shots.append(count)
        signatures = np.array(
            [near_duplicates.compute_signature(surveys[p.source], p) for p in plans], np.uint64
        )
        shot_of = np.array([item.source * SHOTS + item.shot for item in plans], np.int64)
        low, _ = self._settings.policy.bounds.get("near_duplicate", (None, None))
        near = near_duplicates.find_neighbours(shot_of, signatures.reshape(-1, 3), low or 0.0)
        groups = self._groups(sources, plans, near)
        scores, decisions, clips = [], [], []
        for index, item in enumerate(plans):
            mine = score_clip(item, surveys[item.source], near.distances[index])
            judged = self._settings.clip_policy.decide(mine)
            kept = all(row.passed for row in judged)
            source = sources[item.source]
            text = near_duplicates.format_signature(signatures[index])
            clips.append(self._clip(source, item, groups[source.sha256], text, kept))
            scores += mine
            decisions += judged
        rows = tuple(
            self._source(source, groups[source.sha256], seen, count)
            for source, seen, count in zip(sources, surveys, shots, strict=True)
        )
        most = self._settings.max_clips
        chosen = budget.choose_evenly(clips, most)
        clips, spent = budget.exclude_clips(clips, chosen, float(most or 0), self._settings.policy.name)
        seconds = sum(seen.length for seen in surveys)
        return DatasetPlan(rows, tuple(plans), tuple(clips), tuple(scores), tuple(decisions + spent), seconds)

    def _groups(
        self, sources: Sequence[Source], plans: Sequence[ClipPlan], near: Neighbours
    ) -> dict[str, str]:
        names = [source.sha256 for source in sources]
        linked = [(names[plans[a].source], names[plans[b].source]) for a, b in near.links]
        return splits.group_sources(names, {source.sha256: source.info.session for source in sources}, linked)

    def _lifted(self, records: tuple[ClipRecord, ...]) -> tuple[tuple[ClipRecord, ...], float | None]:
        """The records with the assets of the first kept tracks, as many as are asked for."""
        left, tasks = self._settings.assets, []
        for record in records:
            count = min(left, sum(row.kept for row in record.rows["tracks"]))
            if count:
                tasks.append(AssetTask(record, count))
                left -= count
        worked = self._crew.assets(tasks) if tasks else ClipResults(())
        by_clip = {record.clip: record for record in worked.records}
        by_clip |= {
            task.record.clip: _flag_failed_assets(task) for task in tasks if task.record.clip in worked.failed
        }
        return tuple(by_clip.get(record.clip, record) for record in records), worked.limit

    def _clip(self, source: Source, item: ClipPlan, group: str, signature: str, kept: bool) -> ClipRow:
        width, height = fit_size(source.width, source.height, self._settings.size)
        count = len(item.frames)
        elapsed = item.end - item.start
        return ClipRow(
            clip=item.id,
            source=source.sha256,
            session=source.info.session,
            split_group=group,
            split=splits.assign_split(group, self._settings.shares),
            shot=item.shot,
            first_frame=item.first,
            last_frame=item.last,
            frame_step=item.step,
            frames=count,
            start_seconds=item.start,
            end_seconds=item.end,
            frame_rate=(count - 1) / elapsed if elapsed > 0 else None,
            width=width,
            height=height,
            camera_source="unknown",
            intrinsics_source="assumed" if source.info.camera is None else "given",
            scale_source=None,
            signature=signature,
            kept=kept,
            flags=(),
        )

    def _source(self, source: Source, group: str, seen: Survey, shots: int) -> SourceRow:
        info = source.info
        return SourceRow(
            source=source.sha256,
            name=info.name,
            width=source.width,
            height=source.height,
            frames=len(seen),
            frame_rate=source.frame_rate,
            time_base_numerator=int(seen.time_base[0]),
            time_base_denominator=int(seen.time_base[1]),
            licence=info.licence,
            consent=info.consent,
            attribution=info.attribution,
            session=info.session,
            split_group=group,
            split=splits.assign_split(group, self._settings.shares),
            shots=shots,
            flags=("time_assumed",) if info.time_assumed else (),
        )


def _flag_failed_assets(task: AssetTask) -> ClipRecord:
    [clip] = task.record.rows["clips"]
    flagged = replace(clip, flags=(*clip.flags, "assets_failed"))
    return replace(task.record, rows={**task.record.rows, "clips": [flagged]})


def score_clip(item: ClipPlan, seen: Survey, distance: float) -> list[ScoreRow]:
    """What the cheap gates go by; the text area is null where no frame of the clip was looked at for it."""
    inside = slice(item.first, item.last + 1)
    moving = seen.motion[item.first + 1 : item.last + 1]
    text = seen.text[inside][np.isfinite(seen.text[inside])]

    def row(name: str, value: float | None, unit: str) -> ScoreRow:
        return ScoreRow(clip=item.id, track=None, stage=STAGE, name=name, value=value, unit=unit)

    return [
        row("duration", item.length, "seconds"),
        row("luminance", float(seen.luminance[inside].mean()), "0..255"),
        row("sharpness", float(np.median(seen.sharpness[inside])), "variance"),
        row("motion", float(moving.mean()) if len(moving) else None, "0..255"),
        row("near_duplicate", distance, "bits of 64"),
        row("text_area", float(np.median(text)) if len(text) else None, "share"),
    ]
