"""`maquette-server eval`: a published benchmark on an engine, resumable, with a report."""

import inspect
from pathlib import Path
from typing import Annotated

import typer
from maquette.plain_text import print_line

from workers.evaluation.catalog import TARGETS, load_benchmark
from workers.evaluation.errors import EvaluationError, SettingError

TARGET_HELP = "\n\n".join(f"{name}: {target.explain()}" for name, target in TARGETS.items())
# \b keeps the lines of a paragraph
EXAMPLES = """Examples:

\b
maquette-server eval davis --data DAVIS --out out --limit 2
maquette-server eval sa-co-gold --data saco --out out --engine sam3
maquette-server eval 3dpw --data 3dpw --out out --engine sam3d_body --shard 1/8
maquette-server eval lvis --data lvis --out out --engine sam3 --setting phrases=all"""


def evaluate(
    target: Annotated[
        str, typer.Argument(metavar="BENCHMARK", help=f"One of {', '.join(TARGETS)}; see above.")
    ],
    data: Annotated[Path, typer.Option(help="The dataset's folder, laid out as it is published.")],
    out: Annotated[Path, typer.Option(help="Folder of answers and of the report; a run there is resumed.")],
    engine: Annotated[
        str,
        typer.Option(
            help="The engine suite: default (all kinds), sam3 (concepts), sam3d_objects, sam3d_body (bodies)."
        ),
    ] = "default",
    split: Annotated[str | None, typer.Option(help="Another split of the dataset than the paper's.")] = None,
    shard: Annotated[
        str, typer.Option(help="Answer only part i of n, as i/n; all parts may share one --out.")
    ] = "1/1",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first samples: for trying out.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE instead of the paper's, may be repeated; written into the report."),
    ] = None,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Also write OUT/predictions for the official evaluator.")
    ] = False,
) -> None:
    """Run a published benchmark on an engine and compare with the published figures.

    Settings are the paper's; the report names what --setting changes, and says when samples are missing. The
    engine runs in this process, on this machine's GPU where it needs one: no gateway or worker takes part.

    Every answer is kept in OUT/answers, under a key of the dataset, the engine with its weights, and the
    settings. A run that was killed goes on where it was, and machines that share OUT divide the work with
    --shard; the last one to finish reports all. OUT/report.json has the scores with everything that made
    them, OUT/report.md a table beside the published figures. Datasets are not fetched: docs/evaluation.md
    says how to lay them out.
    """
    # engines and metrics take seconds to import, and help does without them
    from workers.evaluation.orchestration import load_engine, run_evaluation
    from workers.evaluation.runner import Shard

    try:
        if target not in TARGETS:
            raise SettingError(f"{target!r} is none of {', '.join(TARGETS)}")
        part = Shard.parse(shard)
        benchmark = load_benchmark(target, data, split=split, changes=setting or ())
        report = run_evaluation(
            benchmark, load_engine(engine, benchmark), out, shard=part, limit=limit, predictions=predictions
        )
    except EvaluationError as error:
        print_line(f"{error.code}: {error}", stderr=True)
        raise typer.Exit(1) from error
    print_line(report.to_markdown())
    if report.failed:
        raise typer.Exit(1)


evaluate.__doc__ = "\n\n".join(
    (inspect.cleandoc(evaluate.__doc__ or ""), EXAMPLES, "Benchmarks:", TARGET_HELP)
)
