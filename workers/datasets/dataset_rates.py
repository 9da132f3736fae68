"""The frame rates of a dataset: one, or several that a reader has to know about."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from workers.datasets.schema import ClipRow

# of clips whose frames are at uneven times
VARIABLE = "variable"
FLAG = "mixed_frame_rates"


def count_rates(clips: Iterable[ClipRow]) -> dict[str, int]:
    """How many kept clips have each exact rate, as 30 or 30000/1001; clips of one frame have none."""
    counts = Counter(_format_rate(row) for row in clips if row.kept and row.frames > 1)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def format_rates(counts: dict[str, int]) -> str:
    """The rates in words, as 30 (12 clips), variable (3 clips)."""
    return ", ".join(f"{rate} ({count} clips)" for rate, count in counts.items())


def _format_rate(row: ClipRow) -> str:
    if row.frame_rate_numerator is None or row.frame_rate_denominator is None:
        return VARIABLE
    return str(Fraction(row.frame_rate_numerator, row.frame_rate_denominator))
