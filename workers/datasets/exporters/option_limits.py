"""The smallest and largest values of options that are numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest value of an option."""

    low: float
    high: float


# pixels of a side of square images
SIDES = Range(8, 4096)
SEEDS = Range(0, 2**32 - 1)
