"""The object benches in one run: how good the reconstructions are, or what they cost.

    python -m bench run objects.suite real     the figures of docs/objects.md on real objects and photos
    python -m bench run objects.suite quality  the tables of docs/benchmarks/objects.md
    python -m bench run objects.suite speed    files beside the best libraries, stages, rasterisers, refining

Runs each bench in a process of its own; their reports lie in numbered folders below `objects.suite`. With
`--count` the benches of real objects take so many. A run of `real` that was stopped goes on where it was.
"""

import argparse
import subprocess
import sys

from bench.objects.shapes import ENGINES
from bench.report import Report

VIEWS = ("objects.views", "--views", "16", "--side", "192")
RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "real": (
        ("objects.real_conditions",),
        ("objects.real_views", "--hull"),
        ("objects.photo_colors",),
        ("objects.real_figure",),
    ),
    "quality": (
        ("objects.shapes",),
        ("objects.shapes", "--views", "other"),
        ("objects.shapes", "--views", "held"),
        ("objects.shapes", "--label"),
        ("objects.shapes", "--depth"),
        VIEWS,
        (*VIEWS, "--arcs", "360", "--paint", "speckle,lamp,flat"),
        (*VIEWS, "--arcs", "360", "--noise", "4", "--exposure", "0.1"),
    ),
    "speed": (
        ("formats.splats_and_meshes",),
        ("objects.stages",),
        ("objects.rasterisers",),
        (*VIEWS, "--arcs", "360", "--refine"),
    ),
}

# Benches of real objects, which `--meshes` is passed to, and those that `--count` is passed to as well.
REAL = ("objects.real_conditions", "objects.real_views", "objects.real_figure")
COUNTED = REAL[:2]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=sorted(RUNS))
    parser.add_argument("--count", type=int, help="how many real objects each bench takes")
    parser.add_argument("--meshes", help="the folder of real objects")
    parser.add_argument("--engine", choices=ENGINES, default="default", help="whose quality")


def run(options: argparse.Namespace, report: Report) -> None:
    table = report.table("Runs", {"bench": "", "report": ""})
    for number, (name, *arguments) in enumerate(RUNS[options.what], start=1):
        if options.what == "quality":
            arguments += ["--engine", options.engine]
        if name in REAL:
            given = {"--count": options.count if name in COUNTED else None, "--meshes": options.meshes}
            arguments += [word for key, value in given.items() if value for word in (key, str(value))]
        out = options.out / report.bench / f"{number:02}"
        command = [sys.executable, "-m", "bench", "run", name, *arguments, "--out", str(out)]
        subprocess.run(command, check=True)
        table.add(" ".join([name, *arguments]), out / f"{name}.md")
