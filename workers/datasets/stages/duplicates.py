"""Near-duplicate clips, by perceptual hashes of three frames each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.datasets.stages.shots import ClipPlan
from workers.datasets.stages.survey import Survey

PLACES = (1 / 6, 1 / 2, 5 / 6)
# mean bits of 64 that differ: closer clips belong in one split, even where both are kept
LINKED = 10.0
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each clip the least distance to an earlier clip of another shot (64: none), and linked pairs."""

    distances: tuple[float, ...]
    links: tuple[tuple[int, int], ...]


def signature(survey: Survey, plan: ClipPlan) -> NDArray[np.uint64]:
    """The hashes (3,) of frames at 1/6, 1/2 and 5/6 of a clip."""
    frames = plan.frames
    return survey.hashes[[frames[min(len(frames) - 1, int(place * len(frames)))] for place in PLACES]]


def neighbours(shot: NDArray[np.int64], signatures: NDArray[np.uint64]) -> Neighbours:
    """Compare every clip with the earlier ones, by their signatures (N, 3).

    `shot` (N,) numbers the shots they are of: clips of one shot go on, they do not repeat.
    """
    count = len(shot)
    distances = np.full(count, 64.0)
    links: list[tuple[int, int]] = []
    for start in range(0, count, BLOCK):
        mine = signatures[start : start + BLOCK]
        theirs = signatures[: start + len(mine)]
        apart = np.bitwise_count(mine[:, None, :] ^ theirs[None, :, :]).astype(np.float32).mean(axis=2)
        rows, columns = np.indices(apart.shape)
        earlier = (columns < rows + start) & (
            shot[None, : len(theirs)] != shot[start : start + len(mine), None]
        )
        apart = np.where(earlier, apart, np.float32(64))
        if apart.size:
            distances[start : start + len(mine)] = apart.min(axis=1)
        for row, column in zip(*np.nonzero(apart <= LINKED), strict=True):
            links.append((int(row) + start, int(column)))
    return Neighbours(tuple(float(value) for value in distances), tuple(links))


def written(hashes: NDArray[np.uint64]) -> str:
    """A signature as hex."""
    return "".join(f"{int(value):016x}" for value in hashes)


def read(text: str) -> NDArray[np.uint64]:
    """What `written` wrote."""
    return np.array([int(text[start : start + 16], 16) for start in range(0, len(text), 16)], np.uint64)
