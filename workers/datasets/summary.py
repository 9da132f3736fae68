"""What a version holds, counted: totals, what gates rejected, and the funnel."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from maquette.contract.datasets import FunnelStep

from workers.datasets.captions.scoring import GATE as CAPTION_GATE
from workers.datasets.manifest import FileEntry
from workers.datasets.schema import REVIEW_GATE, DecisionRow

RowsByTable = Mapping[str, Sequence[Any]]


def compute_totals(rows: RowsByTable, tables: Mapping[str, Sequence[FileEntry]]) -> dict[str, float]:
    """Counts of what was kept, the seconds of the kept clips, and the bytes of the tables."""
    clips, frames, seconds = 0, 0, 0.0
    for row in rows["clips"]:
        if row.kept:
            clips, frames = clips + 1, frames + row.frames
            seconds += row.end_seconds - row.start_seconds
    return {
        "sources": len(rows["sources"]),
        "clips": clips,
        "frames": frames,
        "seconds": round(seconds, 6),
        "tracks": sum(row.kept for row in rows["tracks"]),
        "observations": sum(file.rows or 0 for file in tables["observations"]),
        "assets": len(rows["assets"]),
        "bytes": sum(file.bytes for files in tables.values() for file in files),
    }


def count_rejected(rows: RowsByTable) -> dict[str, int]:
    """The number of clips, tracks and captions that failed, by gate."""
    standing = iterate_standing(rows["decisions"])
    return dict(sorted(Counter(row.gate for row in standing if not row.passed).items()))


def iterate_standing(decisions: Sequence[DecisionRow]) -> Iterator[DecisionRow]:
    """The decisions without those that a person overruled, who kept the clip or track all the same.

    `decisions` are read twice.
    """
    kept = {(row.clip, row.track) for row in decisions if row.gate == REVIEW_GATE and row.passed}
    for row in decisions:
        if row.passed or row.gate == CAPTION_GATE or (row.clip, row.track) not in kept:
            yield row


def build_funnel(rows: RowsByTable) -> tuple[FunnelStep, ...]:
    """How many entered and left each stage: frames, clips, then tracks and captions, gate by gate."""
    return (*build_plan_funnel(rows), *build_clip_funnel(rows))


def build_plan_funnel(rows: RowsByTable) -> tuple[FunnelStep, ...]:
    """The steps that planning knows, from the rows of sources, clips and decisions."""
    clips = rows["clips"]
    decoded_frames = sum(row.frames for row in rows["sources"])
    planned_frames = sum(row.frames for row in clips)
    decisions = (row for row in _iterate_gates(rows) if row.track is None)
    return (
        FunnelStep(stage="shots", unit="frames", given=decoded_frames, kept=planned_frames),
        *_build_gate_steps("clips", len(clips), decisions),
    )


def build_clip_funnel(rows: RowsByTable) -> tuple[FunnelStep, ...]:
    """The steps after planning; those of several clips are the sums of each clip's."""
    clips, tracks, captions = rows["clips"], rows["tracks"], rows["captions"]
    kept_clips = sum(row.kept for row in clips)
    clips_with_tracks = len({row.clip for row in tracks})
    kept_captions = sum(row.kept is not False for row in captions)
    decisions = (row for row in _iterate_gates(rows) if row.track is not None)
    return (
        FunnelStep(stage="found", unit="clips", given=kept_clips, kept=clips_with_tracks),
        *_build_gate_steps("tracks", len(tracks), decisions),
        FunnelStep(stage=CAPTION_GATE, unit="captions", given=len(captions), kept=kept_captions),
    )


def add_funnels(known: Iterable[FunnelStep], added: Iterable[FunnelStep]) -> tuple[FunnelStep, ...]:
    """The sums of two funnels, stage by stage; new stages come last."""
    sums = {(step.stage, step.unit): step for step in known}
    for step in added:
        before = sums.get((step.stage, step.unit))
        if before is not None:
            counts = {"given": before.given + step.given, "kept": before.kept + step.kept}
            step = step.model_copy(update=counts)
        sums[step.stage, step.unit] = step
    return tuple(sums.values())


def _iterate_gates(rows: RowsByTable) -> Iterator[DecisionRow]:
    return (row for row in iterate_standing(rows["decisions"]) if row.gate != CAPTION_GATE)


def _build_gate_steps(unit: str, count: int, decisions: Iterable[DecisionRow]) -> list[FunnelStep]:
    """One step per gate, in the order of the gates; what an earlier gate rejected does not reach the next."""
    failed: dict[str, set[tuple[str, int | None]]] = {}
    for row in decisions:
        own = failed.setdefault(row.gate, set())
        if not row.passed:
            own.add((row.clip, row.track))
    steps: list[FunnelStep] = []
    rejected: set[tuple[str, int | None]] = set()
    for gate, own in failed.items():
        given = count - len(rejected)
        rejected |= own
        steps.append(FunnelStep(stage=gate, unit=unit, given=given, kept=count - len(rejected)))
    return steps
