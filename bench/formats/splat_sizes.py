"""Sizes, times and errors of the splat formats.

    python -m bench run formats.splat_sizes [SPLAT.ply ...] [--count 100000 500000]

For each file, and for flat Gaussians spread over a sphere of diameter 1, one row per format: bytes per
Gaussian, seconds to write and to read, and the largest errors after a round trip: of a mean along an axis,
of ln(scale) with its 99th percentile, of the rotation in degrees, of opacity and of colour.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from bench.report import Report, Table
from bench.timing import Stopwatch
from workers.formats.registry import SPLAT_CODECS
from workers.geometry.gaussians import Gaussians, sanitize
from workers.geometry.morton import morton_order

COLUMNS = {
    "splat": "",
    "format": "",
    "B/Gaussian": ".1f",
    "write s": ".2f",
    "read s": ".2f",
    "mean": ".1e",
    "ln scale": ".3f",
    "ln scale p99": ".3f",
    "turn °": ".2f",
    "opacity": ".4f",
    "colour": ".4f",
}


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


def measure(table: Table, name: str, splat: Gaussians, fmt: str) -> None:
    """Write and read one splat in one format, and add a row of what it took and lost."""
    clean = sanitize(splat)
    watch = Stopwatch()
    data = SPLAT_CODECS[fmt].write(clean)
    written = watch.lap()
    again = SPLAT_CODECS[fmt].read(data)
    read = watch.lap()
    order = morton_order(clean.means.astype(np.float64)) if fmt == "sog" else slice(None)
    log_scales = np.abs(np.log(again.scales) - np.log(clean.scales[order]))
    turn = rotation(again.rotations).inv() * rotation(clean.rotations[order])
    table.add(
        name,
        fmt,
        len(data) / len(clean),
        written.wall,
        read.wall,
        np.abs(again.means - clean.means[order]).max(),
        log_scales.max(),
        np.percentile(log_scales, 99),
        np.degrees(turn.magnitude()).max(),
        np.abs(again.opacities - clean.opacities[order]).max(),
        np.abs(again.colors - clean.colors[order]).max(),
    )


def rotation(wxyz: np.ndarray) -> Rotation:
    return Rotation.from_quat(wxyz[:, [1, 2, 3, 0]].astype(np.float64))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", type=Path, help="splats as PLY files")
    parser.add_argument("--count", nargs="*", type=int, default=[100_000, 500_000], help="of made-up splats")


def run(options: argparse.Namespace, report: Report) -> None:
    splats = [(f"{count} on a sphere", sphere(count)) for count in options.count]
    splats += [(file.name, SPLAT_CODECS["ply"].read(file.read_bytes())) for file in options.files]
    table = report.table("Splat formats", COLUMNS)
    for name, splat in splats:
        for fmt in SPLAT_CODECS:
            measure(table, name, splat, fmt)
