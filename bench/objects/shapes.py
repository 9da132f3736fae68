"""Reconstruction from one view, on 24 analytic shapes seen from two sides each.

    python -m bench run objects.shapes [--depth] [--label] [--views tuned|other|held] [--engine default]

Per shape and in the mean: silhouette IoU over 8 novel views, F-score at 5% of the longest side and at 1%,
that at 5% after similarity ICP, Chamfer distance after ICP, PSNR in dB and FLIP (where flip-evaluator is
installed) of the coloured mesh from these views, the silhouette IoU of the input view, and milliseconds.
"""

import argparse

from bench.objects.analytic_shapes import SHAPES, ball
from bench.objects.single_view_scores import COLUMNS, Scores, View, add_mean, score_single_view
from bench.report import Report
from workers.engines.registry import load_engines

VIEWS: tuple[View, ...] = ((25.0, 20.0), (-50.0, 35.0))
OTHER_VIEWS: tuple[View, ...] = ((-15.0, 12.0), (65.0, 45.0))
# kept for judging: not to be looked at while the engine is changed
HELD_VIEWS: tuple[View, ...] = ((-35.0, 27.0), (110.0, 8.0))
VIEW_SETS = {"tuned": VIEWS, "other": OTHER_VIEWS, "held": HELD_VIEWS}
ENGINES = ("default", "sam3d_objects")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--depth", action="store_true", help="give the true depth of the front")
    parser.add_argument("--label", action="store_true", help="give the everyday name of the shape")
    parser.add_argument("--views", choices=tuple(VIEW_SETS), default="tuned", help="see VIEW_SETS")
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="if it runs here")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = load_engines(options.engine).objects()
    # not counted: what is loaded with the first call
    score_single_view(engine, ball(1, 1, 1), VIEWS[0])
    table = report.table("Shapes", {"shape": "", **COLUMNS, "hypotheses": ""})
    every: list[Scores] = []
    for name, (label, build) in SHAPES.items():
        scores = [
            score_single_view(
                engine,
                build(),
                view,
                side=options.side,
                depth=options.depth,
                label=label if options.label else None,
            )
            for view in VIEW_SETS[options.views]
        ]
        add_mean(table, name, scores=scores, tail=" ".join(score.kind for score in scores))
        every += scores
    add_mean(table, "mean", scores=every)
    report.add(
        {
            "lowest_input_iou": min(score.input_iou for score in every),
            "slowest_ms": max(score.milliseconds for score in every),
        }
    )
