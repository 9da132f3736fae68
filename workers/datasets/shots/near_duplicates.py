"""Near-duplicate clips, by perceptual hashes of three frames each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.shots.survey import Survey

PLACES = (1 / 6, 1 / 2, 5 / 6)
# mean bits of 64 that differ: closer clips belong in one split, even where both are kept
LINKED = 10.0
# a signature as 12 bands of 16 bits
BANDS, WIDTH = 12, 16
# with more differing bits in a band its buckets are too many to look into, and all pairs are compared
FEW = 3
# of so few clips all pairs are compared sooner than buckets are made
CLIPS = 512
PAIRS = 1 << 20


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each clip the distance to the nearest near earlier clip of another shot (64: none), and links."""

    distances: tuple[float, ...]
    links: tuple[tuple[int, int], ...]


def compute_signature(survey: Survey, plan: ClipPlan) -> NDArray[np.uint64]:
    """The hashes (3,) of frames at 1/6, 1/2 and 5/6 of a clip."""
    frames = plan.frames
    return survey.hashes[[frames[min(len(frames) - 1, int(place * len(frames)))] for place in PLACES]]


def find_neighbours(
    shot: NDArray[np.int64], signatures: NDArray[np.uint64], reach: float = LINKED
) -> Neighbours:
    """Compare every clip with the earlier ones that may be near, by their signatures (N, 3).

    `shot` (N,) numbers the shots they are of: clips of one shot go on, they do not repeat. Distances over
    `reach` (mean bits of 64; at least LINKED) count as none. Two signatures that are so near have one of
    twelve bands with few differing bits (Norouzi et al., Fast Search in Hamming Space, 2012): only what
    shares a bucket up to those bits is compared, and nothing near is missed.
    """
    distances = np.full(len(shot), 64.0)
    rows, columns, apart = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    most = int(3 * max(reach, LINKED) + 1e-6)
    differing = most // BANDS if most // BANDS <= FEW and len(shot) > CLIPS else WIDTH
    bands = np.ascontiguousarray(signatures).astype("<u8").view("<u2").reshape(-1, BANDS)
    for band, later, earlier in _candidates(bands, differing):
        other = shot[later] != shot[earlier]
        later, earlier = later[other], earlier[other]
        bits = np.bitwise_count(signatures[later] ^ signatures[earlier]).sum(axis=1, dtype=np.int64)
        near = bits <= most
        later, earlier, bits = later[near], earlier[near], bits[near]
        # a pair is met in each band that it shares: the first counts
        shared = np.bitwise_count(bands[later] ^ bands[earlier]) <= differing
        first = shared.argmax(axis=1) == band
        rows.append(later[first])
        columns.append(earlier[first])
        apart.append(bits[first])
    means = np.concatenate(apart).astype(np.float32) / np.float32(3)
    later, earlier = np.concatenate(rows), np.concatenate(columns)
    np.minimum.at(distances, later, means)
    linked = means <= LINKED
    links = sorted(zip(later[linked].tolist(), earlier[linked].tolist(), strict=True))
    return Neighbours(tuple(distances.tolist()), tuple(links))


def _candidates(
    bands: NDArray[np.uint16], differing: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (band, later, earlier) that agree in a band up to so many bits; each once a band."""
    if differing == WIDTH:
        for row in range(1, len(bands)):
            yield 0, np.full(row, row), np.arange(row)
        return
    masks = [
        sum(1 << bit for bit in chosen)
        for count in range(differing + 1)
        for chosen in combinations(range(WIDTH), count)
    ]
    for band in range(BANDS):
        keys = bands[:, band].astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ends = np.cumsum(np.bincount(keys, minlength=1 << WIDTH))
        starts = ends - np.bincount(keys, minlength=1 << WIDTH)
        for mask in masks:
            for later, earlier in _pairs(keys ^ mask, order, starts, ends):
                yield band, later, earlier


def _pairs(
    wanted: NDArray[np.int64], order: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each clip with the earlier ones of the bucket it wants, in pieces that fit the memory."""
    clips = np.flatnonzero(ends[wanted] > starts[wanted])
    counts = (ends - starts)[wanted[clips]]
    filled = np.cumsum(counts)
    for piece in np.split(clips, np.searchsorted(filled, np.arange(PAIRS, filled[-1:].sum(), PAIRS))):
        counts = (ends - starts)[wanted[piece]]
        later = np.repeat(piece, counts)
        place = np.arange(len(later)) - np.repeat(np.cumsum(counts) - counts, counts)
        earlier = order[starts[wanted[later]] + place]
        yield later[earlier < later], earlier[earlier < later]


def format_signature(hashes: NDArray[np.uint64]) -> str:
    """A signature as hex."""
    return "".join(f"{int(value):016x}" for value in hashes)


def parse_signature(text: str) -> NDArray[np.uint64]:
    """What `written` wrote."""
    return np.array([int(text[start : start + 16], 16) for start in range(0, len(text), 16)], np.uint64)
