"""What is decided before any engine runs: shots, clips, near-duplicates, splits and clip gates."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets import budget, splits
from workers.datasets.action_composition import check_action_types
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.gates.clip_scores import NEAR_DUPLICATE, score_clip
from workers.datasets.images import fit_size
from workers.datasets.schema import ClipRow, DecisionRow, ScoreRow, SourceRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots import near_duplicates
from workers.datasets.shots.clip_planning import is_below_grid, plan_clips
from workers.datasets.shots.frame_times import FrameTimes, read_times
from workers.datasets.shots.near_duplicates import Neighbours
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.spooled_rows import SpooledRows, spool_table

# more shots than one source can have: numbers the shots of all sources
MOST_SHOTS = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedClips:
    """Rows of the sources and of all clips, planned clips in the same order, and what the clip gates decided.

    `seconds` of video were surveyed. What grows with clips is in files, of which little is in memory.
    """

    sources: tuple[SourceRow, ...]
    plans: Sequence[ClipPlan]
    clips: Sequence[ClipRow]
    scores: Sequence[ScoreRow]
    decisions: Sequence[DecisionRow]
    seconds: float


def plan_dataset(
    sources: Sequence[Source], surveys: Iterable[Survey], settings: DatasetSettings
) -> PlannedClips:
    """Divide every source into clips, and score them by their surveys, of which one is in memory at a time.

    Raises DatasetError `action_types_unknown` where frames between recorded actions are left out.
    """
    drafts = _Drafts()
    rows: list[SourceRow] = []
    seconds = 0.0
    for number, (source, survey) in enumerate(zip(sources, surveys, strict=True)):
        times = read_times(survey, source.frame_rate)
        count, plans = plan_clips(source, number, survey, times, settings)
        if source.info.actions and any(plan.leaves_out_frames for plan in plans):
            # before any engine runs
            check_action_types(source.info, source.sha256)
        for plan in plans:
            drafts.add(plan, survey, times)
        rows.append(_build_source(source, settings, times, count))
        seconds += times.length
    neighbours = drafts.find_neighbours(settings)
    groups = _group_sources(sources, drafts, neighbours, settings)
    clips, scores, decisions = spool_table(ClipRow), spool_table(ScoreRow), spool_table(DecisionRow)
    signatures = drafts.stack_signatures()
    for plan, signature, own, distance in zip(
        drafts.plans, signatures, drafts.scores, neighbours.distances, strict=True
    ):
        source = sources[plan.source]
        own = [replace(row, value=float(distance)) if row.name == NEAR_DUPLICATE else row for row in own]
        decided = settings.clip_policy.decide(own)
        kept = all(row.passed for row in decided)
        text = near_duplicates.format_signature(signature)
        clips.append(_build_clip(source, plan, settings, groups[source.sha256], text, kept=kept))
        scores.extend(own)
        decisions.extend(decided)
    if settings.max_clips is not None:
        clips = _choose_clips(clips, decisions, settings.max_clips, settings)
    return PlannedClips(
        sources=tuple(_assign_group(row, groups[row.source], settings) for row in rows),
        plans=drafts.plans,
        clips=clips,
        scores=scores,
        decisions=decisions,
        seconds=seconds,
    )


class _Drafts:
    """What is known of each clip before all have been surveyed."""

    def __init__(self) -> None:
        self.plans = SpooledRows(ClipPlan.as_json, ClipPlan.from_json)
        self.scores = SpooledRows(_dump_scores, _load_scores)
        # of each clip the number of its source, that of its shot among those of all sources, and its hashes
        self.sources, self._shots, self._signatures = array("q"), array("q"), array("Q")

    def add(self, plan: ClipPlan, survey: Survey, times: FrameTimes) -> None:
        self.plans.append(plan)
        # the distance to other clips is not known yet
        self.scores.append(score_clip(plan, survey, times, near_duplicates.ALL_BITS))
        self.sources.append(plan.source)
        self._shots.append(plan.source * MOST_SHOTS + plan.shot)
        self._signatures.extend(near_duplicates.compute_signature(survey, plan).tolist())

    def stack_signatures(self) -> NDArray[np.uint64]:
        """Those of all clips (N, 3)."""
        return np.array(self._signatures, np.uint64).reshape(-1, 3)

    def find_neighbours(self, settings: DatasetSettings) -> Neighbours:
        """Near-duplicates among all clips, as far as the gate needs to see."""
        bound, _ = settings.policy.bounds.get("near_duplicate", (None, None))
        shots = np.array(self._shots, np.int64)
        return near_duplicates.find_neighbours(shots, self.stack_signatures(), bound or 0.0)


def _dump_scores(rows: Sequence[ScoreRow]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]


def _load_scores(content: Sequence[Mapping[str, Any]]) -> list[ScoreRow]:
    return [ScoreRow(**values) for values in content]


def _choose_clips(
    clips: SpooledRows[ClipRow], decisions: SpooledRows[DecisionRow], most: int, settings: DatasetSettings
) -> SpooledRows[ClipRow]:
    """The clips, of which at most so many are kept; the decisions receive one for each that is not."""
    chosen = budget.choose_evenly(clips, most)
    remaining, excluded = budget.exclude_unchosen(clips, chosen, float(most), settings.policy.name)
    decisions.extend(excluded)
    rows = spool_table(ClipRow)
    rows.extend(remaining)
    return rows


def _assign_group(row: SourceRow, group: str, settings: DatasetSettings) -> SourceRow:
    return replace(row, split_group=group, split=splits.assign_split(group, settings.shares))


def _group_sources(
    sources: Sequence[Source], drafts: _Drafts, neighbours: Neighbours, settings: DatasetSettings
) -> Mapping[str, str]:
    """The split group of each source, by its hash."""
    names = [source.sha256 for source in sources]
    numbers = dict.fromkeys((drafts.sources[a], drafts.sources[b]) for a, b in neighbours.links)
    linked = [(names[a], names[b]) for a, b in numbers]
    sessions = {source.sha256: source.info.session for source in sources}
    titles = {source.sha256: source.info.name for source in sources} if settings.group_by_name else {}
    return splits.group_sources(names, sessions, linked, titles)


def _build_clip(
    source: Source, plan: ClipPlan, settings: DatasetSettings, group: str, signature: str, *, kept: bool
) -> ClipRow:
    width, height = fit_size(source.width, source.height, settings.size)
    numerator, denominator = plan.rate if plan.rate is not None and plan.is_on_grid else (None, None)
    errors = plan.time_errors
    return ClipRow(
        clip=plan.id,
        source=source.sha256,
        session=source.info.session,
        split_group=group,
        split=splits.assign_split(group, settings.shares),
        shot=plan.shot,
        first_frame=plan.first,
        last_frame=plan.last,
        frame_step=plan.step,
        frames=len(plan.frames),
        start_seconds=plan.start,
        end_seconds=plan.end,
        frame_rate=plan.frame_rate,
        frame_rate_numerator=numerator,
        frame_rate_denominator=denominator,
        max_time_error_seconds=None if errors is None else max(abs(error) for error in errors),
        width=width,
        height=height,
        camera_source="unknown",
        intrinsics_source="assumed" if source.info.camera is None else "given",
        scale_source=None,
        signature=signature,
        kept=kept,
        flags=plan.flags,
    )


def _build_source(source: Source, settings: DatasetSettings, times: FrameTimes, shots: int) -> SourceRow:
    info = source.info
    flags = {
        "time_assumed": info.time_assumed,
        "depth_unit_assumed": info.depth is not None and info.depth.metres_per_unit is None,
        "frame_rate_below_grid": is_below_grid(times, settings.grid_rate),
        **dict.fromkeys(times.flags, True),
        **dict.fromkeys(source.flags, True),
    }
    return SourceRow(
        source=source.sha256,
        name=info.name,
        width=source.width,
        height=source.height,
        frames=len(times.pts),
        frame_rate=source.frame_rate,
        frame_rate_numerator=None if times.rate is None else times.rate.numerator,
        frame_rate_denominator=None if times.rate is None else times.rate.denominator,
        time_base_numerator=times.time_base.numerator,
        time_base_denominator=times.time_base.denominator,
        licence=info.licence,
        consent=info.consent,
        attribution=info.attribution,
        session=info.session,
        # they depend on the other sources
        split_group="",
        split="",
        shots=shots,
        flags=tuple(name for name, is_set in flags.items() if is_set),
    )
