"""Clips that cannot be processed: they are left out with a reason, and do not take the others with them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from media.errors import MediaError
from workers.datasets.errors import DatasetError
from workers.datasets.gates.exclusions import build_rejection, exclude_clips
from workers.datasets.schema import ClipRow, DecisionRow
from workers.engines.protocols import RequestRefused

GATE = "processing"
# what the submitter gave for a complete video does not fit it: not the fault of one clip
REQUEST_ERRORS = frozenset({"cameras_mismatch", "actions_mismatch", "action_types_unknown", "depth_mismatch"})
# a busy machine, or too little memory, can be the reason: another attempt may succeed
TRANSIENT_CODES = frozenset({"decoding_too_slow", "decoding_crashed", "decoding_stopped", "media_too_costly"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a clip failed; `code` is the same on every worker and enters the version, `detail` does not."""

    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    def as_json(self) -> dict[str, Any]:
        """For the outcome of a part."""
        return asdict(self)


def classify_error(error: Exception) -> Failure | None:
    """The failure of an input that fails in the same way every time; None for any other error."""
    if isinstance(error, RequestRefused):
        return Failure(error.problem.code, error.problem.detail)
    if isinstance(error, MediaError | DatasetError) and error.code not in REQUEST_ERRORS:
        return Failure(error.code, error.detail)
    return None


def exclude_failed(
    clips: Iterable[ClipRow], failed: Mapping[str, Failure], policy: str
) -> tuple[Iterator[ClipRow], list[DecisionRow]]:
    """The clips of which failed ones are not kept, and a decision with the code of each failure.

    `clips` are read twice.
    """
    decisions = [
        build_rejection(row.clip, GATE, policy, reason=failed[row.clip].code)
        for row in clips
        if row.clip in failed
    ]
    return exclude_clips(clips, failed), decisions


def check_any_succeeded(failed: Mapping[str, Failure], succeeded: int) -> None:
    """Raise DatasetError `all_clips_failed` when clips failed and none succeeded."""
    if not failed or succeeded:
        return
    counts = Counter(failure.code for failure in failed.values())
    codes = ", ".join(f"{code} ({count})" for code, count in sorted(counts.items()))
    first = next(iter(failed.values()))
    raise DatasetError(
        "all_clips_failed",
        f"none of {len(failed)} clips could be processed: {codes}; the first: {first.detail}",
    )
