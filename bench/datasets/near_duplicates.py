"""Near-duplicates by bands against comparing all pairs, on the same signatures in the same run.

python -m bench run datasets.near_duplicates [--clips 10000]
"""

import argparse
import json
import time

import numpy as np
from numpy.typing import NDArray

from workers.datasets.shots.near_duplicates import LINKED, find_neighbours

BLOCK = 512


def all_pairs(signatures: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Every clip against every earlier one, block by block."""
    links = []
    for start in range(0, len(signatures), BLOCK):
        mine = signatures[start : start + BLOCK]
        theirs = signatures[: start + len(mine)]
        apart = np.bitwise_count(mine[:, None, :] ^ theirs[None, :, :]).astype(np.float32).mean(axis=2)
        rows, columns = np.nonzero(apart <= LINKED)
        earlier = columns < rows + start
        links += list(zip((rows[earlier] + start).tolist(), columns[earlier].tolist(), strict=True))
    return links


def main() -> None:
    """Print one JSON object; CPU seconds do not feel what else the machine does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=10_000)
    count = parser.parse_args().clips
    rng = np.random.default_rng(0)
    signatures = rng.integers(0, 2**64, (count, 3), dtype=np.uint64)
    signatures[count // 2 :: 50] = signatures[: len(signatures[count // 2 :: 50])]
    begun = time.process_time()
    banded = find_neighbours(np.arange(count), signatures)
    middle = time.process_time()
    quadratic = all_pairs(signatures)
    ended = time.process_time()
    told = {
        "clips": count,
        "links": len(quadratic),
        "same": sorted(quadratic) == list(banded.links),
        "banded_cpu_seconds": round(middle - begun, 3),
        "all_pairs_cpu_seconds": round(ended - middle, 3),
        "ratio": round((ended - middle) / (middle - begun), 2),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
