"""Clips that cannot be worked on: they are left out, and say why; the others are not lost with them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from media.errors import MediaError
from workers.datasets.errors import DatasetError
from workers.datasets.schema import ClipRow, DecisionRow
from workers.engines.protocols import RequestRefused

GATE = "processing"
# what the submitter told of a whole video does not fit it: no clip is to blame
OF_THE_REQUEST = frozenset({"cameras_mismatch", "actions_mismatch", "depth_mismatch"})
# a busy machine, or its memory, may be to blame
UNSURE = frozenset({"decoding_too_slow", "decoding_crashed", "decoding_stopped", "media_too_costly"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why; `code` is the same on every worker and goes into the version, `detail` does not."""

    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    def as_json(self) -> dict[str, Any]:
        """For an outcome."""
        return asdict(self)


def classify_error(error: Exception) -> Failure | None:
    """The failure of an input that fails in the same way every time; None of any other error."""
    if isinstance(error, MediaError) or (
        isinstance(error, DatasetError) and error.code not in OF_THE_REQUEST
    ):
        return Failure(error.code, error.detail)
    if isinstance(error, RequestRefused):
        return Failure(error.problem.code, error.problem.detail)
    return None


def exclude_failed(
    clips: Sequence[ClipRow], failed: Mapping[str, Failure], policy: str
) -> tuple[list[ClipRow], list[DecisionRow]]:
    """The clips without those that failed, and decisions that say why."""
    mine = [row.clip for row in clips if row.clip in failed]
    out = [replace(row, kept=row.kept and row.clip not in failed) for row in clips]
    return out, [
        DecisionRow(
            clip=clip,
            track=None,
            gate=GATE,
            score=None,
            low=None,
            high=None,
            passed=False,
            policy=policy,
            reason=failed[clip].code,
        )
        for clip in mine
    ]


def check_any_succeeded(failed: Mapping[str, Failure], done: int) -> None:
    """Raise DatasetError `all_clips_failed` when nothing is left."""
    if not failed or done:
        return
    counts = Counter(failure.code for failure in failed.values())
    codes = ", ".join(f"{code} ({count})" for code, count in sorted(counts.items()))
    first = next(iter(failed.values()))
    raise DatasetError(
        "all_clips_failed",
        f"none of {len(failed)} clips could be worked on: {codes}; the first: {first.detail}",
    )
