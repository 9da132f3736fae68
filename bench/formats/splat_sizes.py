"""Sizes, times and errors of the splat formats.

    python -m bench run formats.splat_sizes [SPLAT.ply ...] [--count 100000 500000]

For each file, and for flat Gaussians spread over a sphere of diameter 1, prints a row a format: bytes a
Gaussian, seconds to write and to read, and the largest errors after a round trip: distance of a mean along an
axis, ln(scale) with the 99th percentile, degrees of turn, opacity and colour.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from workers.formats.convert import SPLAT_FORMATS, SPLAT_READERS, SPLAT_WRITERS
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.morton import morton_order

HEAD = "splat | format | B/Gaussian | write s | read s | mean | ln scale | p99 | turn ° | opacity | colour"


def sphere(count: int) -> Gaussians:
    """Flat Gaussians that cover a sphere, smoothly coloured."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    half = np.add(normals, [0, 0, 1])
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    turns = np.column_stack([half[:, 2], -half[:, 1], half[:, 0], np.zeros(count)])
    scales = np.exp(rng.normal(np.log(0.5 * np.sqrt(12 / count)), 0.4, (count, 3)))
    scales[:, 2] *= 0.1
    colors = 0.5 + 0.4 * np.sin(6 * normals + rng.normal(0, 0.1, (count, 3)))
    return Gaussians(
        means=(0.5 * normals).astype(np.float32),
        rotations=turns.astype(np.float32),
        scales=scales.astype(np.float32),
        opacities=rng.uniform(0.5, 0.99, count).astype(np.float32),
        colors=np.clip(colors, 0, 1).astype(np.float32),
    )


def row(name: str, splat: Gaussians, fmt: str) -> str:
    clean = sanitize(splat)
    start = time.perf_counter()
    data = SPLAT_WRITERS[fmt](clean)
    written = time.perf_counter()
    again = SPLAT_READERS[fmt](data)
    read = time.perf_counter()
    order = morton_order(clean.means.astype(np.float64)) if fmt == "sog" else slice(None)
    logs = np.abs(np.log(again.scales) - np.log(clean.scales[order]))
    turn = rotation(again.rotations).inv() * rotation(clean.rotations[order])
    cells = [
        *(name, fmt, f"{len(data) / len(clean):.1f}", f"{written - start:.2f}", f"{read - written:.2f}"),
        f"{np.abs(again.means - clean.means[order]).max():.1e}",
        *(f"{logs.max():.3f}", f"{np.percentile(logs, 99):.3f}", f"{np.degrees(turn.magnitude()).max():.2f}"),
        f"{np.abs(again.opacities - clean.opacities[order]).max():.4f}",
        f"{np.abs(again.colors - clean.colors[order]).max():.4f}",
    ]
    return " | ".join(cells)


def rotation(wxyz: np.ndarray) -> Rotation:
    return Rotation.from_quat(wxyz[:, [1, 2, 3, 0]].astype(np.float64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--count", nargs="*", type=int, default=[100_000, 500_000])
    options = parser.parse_args()
    splats = [(f"{count} on a sphere", sphere(count)) for count in options.count]
    splats += [(file.name, SPLAT_READERS["ply"](file.read_bytes())) for file in options.files]
    print(HEAD)
    for name, splat in splats:
        for fmt in SPLAT_FORMATS:
            print(row(name, splat, fmt))


if __name__ == "__main__":
    main()
