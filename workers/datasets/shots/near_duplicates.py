"""Near-duplicate clips, by perceptual hashes of three frames each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.shots.survey import Survey

# places in a clip of the frames that are hashed
PLACES = (1 / 6, 1 / 2, 5 / 6)
# mean bits of 64 that differ: closer clips belong in one split, even where both are kept. Chosen, not
# measured
LINKED = 10.0
# the distance of a clip without a neighbour: all bits of a hash
ALL_BITS = 64.0
# a signature as 12 bands of 16 bits
BANDS, WIDTH = 12, 16
# with more differing bits per band there are more buckets than pairs, and all pairs are compared; chosen
# for speed
MOST_DIFFERING = 3
# comparing all pairs of so few clips is faster than making buckets; chosen for speed
FEW_CLIPS = 512
# pairs that are compared at once; chosen for memory
PAIRS = 1 << 20

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each clip the distance to the nearest near earlier clip of another shot (64: none), and links."""

    distances: NDArray[np.float64]
    links: tuple[tuple[int, int], ...]


def compute_signature(survey: Survey, plan: ClipPlan) -> NDArray[np.uint64]:
    """The hashes (3,) of the frames at 1/6, 1/2 and 5/6 of a clip."""
    frames = plan.frames
    return survey.hashes[[frames[min(len(frames) - 1, int(place * len(frames)))] for place in PLACES]]


def find_neighbours(shot: Indices, signatures: NDArray[np.uint64], reach: float = LINKED) -> Neighbours:
    """Compare every clip with the earlier ones that may be near, by their signatures (N, 3).

    `shot` (N,) numbers their shots: clips of one shot continue each other, they do not repeat. Distances
    over `reach` (mean bits of 64; at least LINKED) count as none. Two signatures that are so near have one
    of twelve bands with few differing bits (Norouzi et al., Fast Search in Hamming Space, 2012): only clips
    that share a bucket up to those bits are compared, and nothing near is missed.
    """
    most = int(3 * max(reach, LINKED) + 1e-6)
    differing = most // BANDS if most // BANDS <= MOST_DIFFERING and len(shot) > FEW_CLIPS else WIDTH
    later, earlier, bits = _find_near_pairs(shot, signatures, most, differing)
    means = bits.astype(np.float32) / np.float32(3)
    distances = np.full(len(shot), ALL_BITS)
    np.minimum.at(distances, later, means)
    linked = means <= LINKED
    links = sorted(zip(later[linked].tolist(), earlier[linked].tolist(), strict=True))
    return Neighbours(distances, tuple(links))


def _find_near_pairs(
    shot: Indices, signatures: NDArray[np.uint64], most: int, differing: int
) -> tuple[Indices, Indices, Indices]:
    """Later clips, earlier clips and differing bits of all pairs of two shots within `most` bits."""
    rows, columns, distances = ([np.empty(0, np.int64)] for _ in range(3))
    bands = np.ascontiguousarray(signatures).astype("<u8").view("<u2").reshape(-1, BANDS)
    for band, later, earlier in _list_candidates(bands, differing):
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
        distances.append(bits[first])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(distances)


def _list_candidates(bands: NDArray[np.uint16], differing: int) -> Iterator[tuple[int, Indices, Indices]]:
    """Pairs (band, later, earlier) that agree in a band up to so many bits; each once per band."""
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
            for later, earlier in _pair_with_bucket(keys ^ mask, order, starts, ends):
                yield band, later, earlier


def _pair_with_bucket(
    wanted: Indices, order: Indices, starts: Indices, ends: Indices
) -> Iterator[tuple[Indices, Indices]]:
    """Each clip with the earlier ones of the bucket it wants, in pieces that fit in memory."""
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
    """A signature as hex digits."""
    return "".join(f"{int(value):016x}" for value in hashes)


def parse_signature(text: str) -> NDArray[np.uint64]:
    """What `format_signature` wrote."""
    return np.array([int(text[start : start + 16], 16) for start in range(0, len(text), 16)], np.uint64)
