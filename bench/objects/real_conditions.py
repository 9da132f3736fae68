"""Reconstruction from one view of held-out real objects under changed conditions, side by side.

    python -m scripts.training.lay_out_meshes sweethome3d-furniture_*.deb
    python -m bench run objects.real_conditions [--meshes build/meshes] [--count 80] [--conditions mask,depth]

Every object is seen in the same view, which is drawn from its name: with the mask alone, with true depth, at
512 instead of 256 pixels, away from the image's centre, and without the focal length. Means per condition as
in `objects.real`; against the mask alone, how many objects change their hypothesis, or their IoU by more than
0.03, and how many become worse; the reliability of `confidence`. A run that was stopped goes on. `--half
first` takes the objects that thresholds may be set on; by default the other half of the held-out ones judges.
Household objects: `python -m bench.objects.household_meshes` lays them out.
"""

import argparse
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.objects.geometry_scores import Array
from bench.objects.real import COLUMNS, POINTS, report_reliability, score_real, thin_out
from bench.objects.real_meshes import RealMesh, draw_view, load_meshes
from bench.objects.records import Records
from bench.report import Report
from workers.engines.objects.default import VERSION, DefaultObjects

HALVES = ("first", "second")
# Change of IoU that counts as another result.
SAME_IOU = 0.03


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a view is taken, and what is given with it."""

    depth: bool = False
    side: int = 256
    aside: bool = False
    knows_camera: bool = True


CONDITIONS: Mapping[str, Condition] = {
    "mask": Condition(),
    "depth": Condition(depth=True),
    "large": Condition(side=512),
    "aside": Condition(aside=True),
    "no camera": Condition(knows_camera=False),
}


def find_half(name: str) -> str:
    """The half of the held-out objects that a name belongs to, by a checksum."""
    return HALVES[zlib.crc32(f"{name}/half".encode()) & 1]


def load_half(folder: Path, half: str) -> list[RealMesh]:
    """The held-out objects of a half."""
    return [mesh for mesh in load_meshes(folder, held=True) if find_half(mesh.name) == half]


def measure(
    engine: DefaultObjects, mesh: RealMesh, seed: int, number: int, condition: Condition
) -> dict[str, Any]:
    """The figures of one view, by its number, of an object under a condition."""
    rng = np.random.default_rng([seed, zlib.crc32(mesh.name.encode()), number])
    view = draw_view(mesh, rng, condition.side, aside=condition.aside)
    goal = mesh.sample_outer_surface(POINTS)
    score, _ = score_real(
        engine, mesh, view, goal, depth=condition.depth, knows_camera=condition.knows_camera
    )
    figures = dict(zip(COLUMNS, score.figures.tolist(), strict=True))
    return {**figures, "kind": score.kind, "confidence": score.confidence}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meshes", type=Path, default=Path("build/meshes"))
    parser.add_argument("--count", type=int, default=80, help="how many objects")
    parser.add_argument("--views", type=int, default=1, help="of each object")
    parser.add_argument("--seed", type=int, default=7, help="of the views; 7 is kept for judging")
    parser.add_argument("--conditions", default=",".join(CONDITIONS))
    parser.add_argument("--half", choices=HALVES, default="second", help="of the held-out objects")


def run(options: argparse.Namespace, report: Report) -> None:
    meshes = thin_out(load_half(options.meshes, options.half), options.count)
    engine = DefaultObjects(splats=1000)
    records = Records(options.out / f"{report.bench}.records.jsonl", VERSION)
    columns = {"condition": "", "views": "", **COLUMNS, "standard errors": "", "hypotheses": ""}
    table = report.table("Conditions", columns)
    results: dict[str, list[dict[str, Any]]] = {}
    for name in options.conditions.split(","):
        results[name] = [
            records.get(
                f"{mesh.name}/{options.seed}/{name}" + (f"/{view}" if view else ""),
                lambda mesh=mesh, view=view, name=name: measure(
                    engine, mesh, options.seed, view, CONDITIONS[name]
                ),
            )
            for mesh in meshes
            for view in range(options.views)
        ]
        kinds = Counter(result["kind"] for result in results[name])
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        means = [float(np.mean([result[column] for result in results[name]])) for column in COLUMNS]
        errors = estimate_errors(results[name], options.views)
        table.add(name, len(results[name]), *means, ", ".join(f"{error:.3f}" for error in errors), counts)
    if "mask" in results:
        report_changes(report, results)
    trusted = [result for name in ("mask", "depth") for result in results.get(name, ())]
    if trusted:
        report_reliability(
            report,
            np.array([result["confidence"] for result in trusted]),
            np.array([result["F@.05"] for result in trusted]),
        )


def estimate_errors(results: list[dict[str, Any]], views: int) -> Array:
    """Standard errors (3,) of the mean IoU and F-scores over objects, each the mean of its views."""
    names = tuple(COLUMNS)[:3]
    figures = np.array([[result[name] for name in names] for result in results])
    means = figures.reshape(-1, views, len(names)).mean(axis=1)
    return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(len(means)))


def report_changes(report: Report, results: Mapping[str, list[dict[str, Any]]]) -> None:
    """What each condition changes against the mask alone, object by object."""
    table = report.table(
        "Against the mask alone",
        {
            "condition": "",
            "mean change of IoU": "+.3f",
            "mean size of it": ".3f",
            f"over {SAME_IOU}": "",
            "another hypothesis": "",
            "worse": "",
            "worse by over 0.01": "",
        },
    )
    base = results["mask"]
    for name, rows in results.items():
        if name == "mask":
            continue
        change = np.array([row["IoU"] - other["IoU"] for row, other in zip(rows, base, strict=True)])
        kinds = sum(row["kind"] != other["kind"] for row, other in zip(rows, base, strict=True))
        counts = ((np.abs(change) > SAME_IOU).sum(), kinds, (change < 0).sum(), (change < -0.01).sum())
        table.add(name, float(change.mean()), float(np.abs(change).mean()), *map(int, counts))
