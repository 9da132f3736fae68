"""Near-duplicates by bit bands against comparing all pairs, on the same signatures in the same run.

python -m bench run datasets.near_duplicates [--clips 10000]
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from bench.report import Report
from bench.timing import Stopwatch
from workers.datasets.shots.near_duplicates import LINKED, find_neighbours

BLOCK = 512


def all_pairs(signatures: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Compare every clip with every earlier one, block by block."""
    links = []
    for start in range(0, len(signatures), BLOCK):
        mine = signatures[start : start + BLOCK]
        theirs = signatures[: start + len(mine)]
        apart = np.bitwise_count(mine[:, None, :] ^ theirs[None, :, :]).astype(np.float32).mean(axis=2)
        rows, columns = np.nonzero(apart <= LINKED)
        earlier = columns < rows + start
        links += list(zip((rows[earlier] + start).tolist(), columns[earlier].tolist(), strict=True))
    return links


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=10_000)


def run(options: argparse.Namespace, report: Report) -> None:
    rng = np.random.default_rng(0)
    signatures = rng.integers(0, 2**64, (options.clips, 3), dtype=np.uint64)
    half = options.clips // 2
    signatures[half::50] = signatures[: len(signatures[half::50])]
    watch = Stopwatch()
    banded = find_neighbours(np.arange(options.clips), signatures)
    banded_cpu = watch.lap().cpu
    quadratic = all_pairs(signatures)
    quadratic_cpu = watch.lap().cpu
    report.add(
        {
            "links": len(quadratic),
            "same_links": sorted(quadratic) == list(banded.links),
            "banded_cpu_seconds": round(banded_cpu, 3),
            "all_pairs_cpu_seconds": round(quadratic_cpu, 3),
            "ratio": round(quadratic_cpu / banded_cpu, 2),
        }
    )
