"""Judges one-view reconstruction on shapes and views drawn at random, which nothing was tuned on.

    python -m bench run objects.random_shapes [--seed 7] [--count 120] [--each]

Every shape comes from one of the families of `random_solids.py`, with sizes, parts and a view drawn from the
seed: elevations from 5 to 50 degrees, any azimuth. Reports the mean scores of each family and of all, as
`objects.shapes` does. Seed 7 is kept for judging: look at other seeds while you change the engine.
"""

import argparse

from bench.objects.evaluation import Scores, evaluate_view
from bench.objects.random_solids import draw_solid
from bench.objects.shapes import add_row, start_table
from bench.report import Report
from workers.engines.objects.default import DefaultObjects


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=7, help="7 is kept for judging")
    parser.add_argument("--count", type=int, default=168, help="number of shapes")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--each", action="store_true", help="report every shape")


def run(options: argparse.Namespace, report: Report) -> None:
    """Evaluate each drawn shape from its view."""
    engine = DefaultObjects(splats=1000)
    by_family: dict[str, list[Scores]] = {}
    each = start_table(report) if options.each else None
    for index in range(options.count):
        family, mesh, view = draw_solid(options.seed, index)
        score = evaluate_view(engine, mesh, view, side=options.side)
        by_family.setdefault(family, []).append(score)
        if each is not None:
            add_row(each, f"{index} {family}", [score], f"{view[0]:.0f} {view[1]:.0f} {score.kind}")
    table = start_table(report)
    for family, scores in by_family.items():
        kinds = [score.kind for score in scores]
        add_row(
            table, family, scores, ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        )
    all_scores = [score for scores in by_family.values() for score in scores]
    add_row(table, "mean", all_scores)
    report.add({"lowest input IoU": min(score.input_iou for score in all_scores)})
