"""Which pairs of frames of a clip are compared."""

from collections.abc import Iterator
from itertools import islice, pairwise


def choose_pairs(frames: int, count: int) -> list[tuple[int, int]]:
    """Up to `count` pairs (A, B), A before B, of a clip of so many frames.

    Its ends come first, then its halves, quarters and so on, until neighbouring frames are reached: more
    pairs include those of fewer.
    """
    return list(islice(_divide(frames), count))


def _divide(frames: int) -> Iterator[tuple[int, int]]:
    parts, seen = 1, set()
    while parts < 2 * max(1, frames - 1):
        bounds = [round(index * (frames - 1) / parts) for index in range(parts + 1)]
        for pair in pairwise(bounds):
            if pair[0] < pair[1] and pair not in seen:
                seen.add(pair)
                yield pair
        parts *= 2
