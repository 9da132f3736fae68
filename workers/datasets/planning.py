"""What is decided before any engine runs: shots, clips, near-duplicates, splits and clip gates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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

# more shots than one source can have: numbers the shots of all sources
MOST_SHOTS = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedClips:
    """Rows of the sources and of all clips, planned clips in the same order, and what the clip gates decided.

    `seconds` of video were surveyed.
    """

    sources: tuple[SourceRow, ...]
    plans: tuple[ClipPlan, ...]
    clips: tuple[ClipRow, ...]
    scores: tuple[ScoreRow, ...]
    decisions: tuple[DecisionRow, ...]
    seconds: float


def plan_dataset(
    sources: Sequence[Source], surveys: Iterable[Survey], settings: DatasetSettings
) -> PlannedClips:
    """Divide every source into clips, and score them by their surveys, of which one is in memory at a time.

    Raises DatasetError `action_types_unknown` where frames between recorded actions are left out.
    """
    plans: list[ClipPlan] = []
    signatures: list[NDArray[np.uint64]] = []
    scored: list[list[ScoreRow]] = []
    rows: list[SourceRow] = []
    seconds = 0.0
    for number, (source, survey) in enumerate(zip(sources, surveys, strict=True)):
        times = read_times(survey, source.frame_rate)
        count, clip_plans = plan_clips(source, number, survey, times, settings)
        if source.info.actions and any(plan.leaves_out_frames for plan in clip_plans):
            # before any engine runs
            check_action_types(source.info, source.sha256)
        plans += clip_plans
        signatures += [near_duplicates.compute_signature(survey, plan) for plan in clip_plans]
        # the distance to other clips is not known before all have been surveyed
        scored += [score_clip(plan, survey, times, near_duplicates.ALL_BITS) for plan in clip_plans]
        rows.append(_build_source(source, settings, times, count))
        seconds += times.length
    neighbours = _find_neighbours(plans, signatures, settings)
    groups = _group_sources(sources, plans, neighbours, settings)
    scores, decisions, clips = [], [], []
    for plan, signature, own, distance in zip(plans, signatures, scored, neighbours.distances, strict=True):
        source = sources[plan.source]
        own = [replace(row, value=distance) if row.name == NEAR_DUPLICATE else row for row in own]
        decided = settings.clip_policy.decide(own)
        kept = all(row.passed for row in decided)
        text = near_duplicates.format_signature(signature)
        clips.append(_build_clip(source, plan, settings, groups[source.sha256], text, kept=kept))
        scores += own
        decisions += decided
    most = settings.max_clips
    chosen = budget.choose_evenly(clips, most)
    clips, excluded = budget.exclude_unchosen(clips, chosen, float(most or 0), settings.policy.name)
    return PlannedClips(
        sources=tuple(_assign_group(row, groups[row.source], settings) for row in rows),
        plans=tuple(plans),
        clips=tuple(clips),
        scores=tuple(scores),
        decisions=(*decisions, *excluded),
        seconds=seconds,
    )


def _assign_group(row: SourceRow, group: str, settings: DatasetSettings) -> SourceRow:
    return replace(row, split_group=group, split=splits.assign_split(group, settings.shares))


def _find_neighbours(
    plans: Sequence[ClipPlan], signatures: Sequence[NDArray[np.uint64]], settings: DatasetSettings
) -> Neighbours:
    """Near-duplicates among all clips, as far as the gate needs to see."""
    shots = np.array([plan.source * MOST_SHOTS + plan.shot for plan in plans], np.int64)
    bound, _ = settings.policy.bounds.get("near_duplicate", (None, None))
    stacked = np.array(signatures, np.uint64).reshape(-1, 3)
    return near_duplicates.find_neighbours(shots, stacked, bound or 0.0)


def _group_sources(
    sources: Sequence[Source],
    plans: Sequence[ClipPlan],
    neighbours: Neighbours,
    settings: DatasetSettings,
) -> Mapping[str, str]:
    """The split group of each source, by its hash."""
    names = [source.sha256 for source in sources]
    linked = [(names[plans[a].source], names[plans[b].source]) for a, b in neighbours.links]
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
