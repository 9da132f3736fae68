"""Judges one-view reconstruction on 24 analytic shapes seen from two sides each.

    python -m bench run objects.shapes [--depth] [--label] [--views tuned|other|held] [--engine default]

Reports, per shape and in the mean: novel-view silhouette IoU over 8 views, F-score at 5% of the longest side
and at 1%, that at 5% after similarity ICP, Chamfer distance after ICP, PSNR in dB and FLIP (where
flip-evaluator is installed) of the coloured mesh from these views, the silhouette IoU of the input view, and
milliseconds.
"""

import argparse

import numpy as np

from bench.objects.evaluation import COLUMNS, Scores, evaluate_view
from bench.objects.solids import SHAPES, ball
from bench.report import Report, Table
from workers.engines.registry import load_engines

# Azimuth and elevation in degrees of the views of each set.
VIEWS = ((25.0, 20.0), (-50.0, 35.0))
OTHER_VIEWS = ((-15.0, 12.0), (65.0, 45.0))
# Kept for judging: not to be looked at while the engine is changed.
HELD_VIEWS = ((-35.0, 27.0), (110.0, 8.0))
VIEW_SETS = {"tuned": VIEWS, "other": OTHER_VIEWS, "held": HELD_VIEWS}
ENGINES = ("default", "sam3d_objects")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--depth", action="store_true", help="give the true depth of the front")
    parser.add_argument("--label", action="store_true", help="give the shape's everyday name")
    parser.add_argument("--views", choices=tuple(VIEW_SETS), default="tuned", help="see VIEW_SETS")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="if it runs here")


def run(options: argparse.Namespace, report: Report) -> None:
    """Evaluate each shape from the views of a set."""
    engine = load_engines(options.engine).objects()
    evaluate_view(engine, ball(1, 1, 1), VIEWS[0])
    table = start_table(report)
    all_scores: list[Scores] = []
    for name, (word, build) in SHAPES.items():
        scores = [
            evaluate_view(
                engine,
                build(),
                view,
                side=options.side,
                depth=options.depth,
                label=word if options.label else None,
            )
            for view in VIEW_SETS[options.views]
        ]
        add_row(table, name, scores, " ".join(score.kind for score in scores))
        all_scores += scores
    add_row(table, "mean", all_scores)
    report.add({"lowest input IoU": min(score.input_iou for score in all_scores)})


def start_table(report: Report) -> Table:
    """A table with a row per shape or family."""
    return report.table("", {"shape": "", **COLUMNS, "kinds": ""})


def add_row(table: Table, name: str, scores: list[Scores], kinds: str = "") -> None:
    """Add the mean of some scores."""
    table.add(name, *np.mean([score.values() for score in scores], axis=0), kinds)
