"""Clips that are left out for another reason than a score: the budget, or a failure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from workers.datasets.schema import ClipRow, DecisionRow


def exclude_clips(clips: Iterable[ClipRow], excluded: Collection[str]) -> Iterator[ClipRow]:
    """The rows of all clips, of which the excluded ones are not kept."""
    return (replace(row, kept=row.kept and row.clip not in excluded) for row in clips)


def build_rejection(
    clip: str, gate: str, policy: str, *, limit: float | None = None, reason: str | None = None
) -> DecisionRow:
    """The decision that says why a clip is left out; `limit` is an upper bound without a score."""
    return DecisionRow(
        clip=clip,
        track=None,
        gate=gate,
        score=None,
        low=None,
        high=limit,
        passed=False,
        policy=policy,
        reason=reason,
    )
