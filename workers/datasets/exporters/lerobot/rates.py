"""The frame rate of an export, and the clips that have it."""

from collections import Counter
from collections.abc import Iterable, Sequence

# rates that differ by less are one rate, measured on times that were rounded: 5.99 and 6, 29.97 and 30. The
# nearest rates that differ on purpose are 24 and 25
RATE_TOLERANCE = 0.01
DECIMALS = 3


def choose_rate(rates: Iterable[float | None]) -> float | None:
    """The rate that most clips have but for rounding, as it is written most often; None without any."""
    known = [round(rate, DECIMALS) for rate in rates if rate]
    if not known:
        return None
    counts = Counter(known)
    # the rate with the most others about it; of equal ones that which is written more often, then an integer
    return max(
        counts, key=lambda rate: (_count_equal(rate, known), counts[rate], float(rate).is_integer(), rate)
    )


def is_same_rate(rate: float | None, other: float | None) -> bool:
    """Whether two rates are equal but for rounding; an unknown one is not."""
    return bool(rate and other) and abs(rate - other) <= RATE_TOLERANCE * max(rate, other)  # type: ignore[operator, type-var]


def _count_equal(rate: float, rates: Sequence[float]) -> int:
    return sum(is_same_rate(rate, other) for other in rates)
