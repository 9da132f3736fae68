"""`maquette-server eval`: a published benchmark on an engine, resumable, with a report."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from maquette.plain_text import print_line

from workers.evaluation.benchmark import Benchmark
from workers.evaluation.catalog import TARGETS, load_benchmark
from workers.evaluation.errors import EngineMissing, EvaluationError, SettingError
from workers.evaluation.provenance import build_context, describe_code, describe_dataset, describe_engine
from workers.evaluation.report import Report
from workers.evaluation.runner import Shard, collect_records, run_samples
from workers.evaluation.settings import list_changes
from workers.evaluation.store import RecordStore

TARGET_HELP = "\n\n".join(f"{name}: {target.summary}." for name, target in TARGETS.items())


def evaluate(
    target: Annotated[str, typer.Argument(help=f"One of {', '.join(TARGETS)}.")],
    data: Annotated[Path, typer.Option(help="The dataset's folder, laid out as it is published.")],
    out: Annotated[Path, typer.Option(help="Folder of answers and of the report; a run there is resumed.")],
    engine: Annotated[
        str, typer.Option(help="The engine suite: default, sam3, sam3d_objects, sam3d_body.")
    ] = "default",
    split: Annotated[str | None, typer.Option(help="Another split than the paper's.")] = None,
    shard: Annotated[
        str, typer.Option(help="Answer only part i of n, as i/n; all parts may share one --out.")
    ] = "1/1",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first samples: for trying out.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE instead of the paper's; written into the report.")
    ] = None,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Also write OUT/predictions for the official evaluator.")
    ] = False,
) -> None:
    """Run a published benchmark on an engine and compare with the published figures.

    Every answer is kept in OUT/answers, under a key of the dataset, the engine with its weights, and the
    settings. A run that was killed goes on where it was, and machines that share OUT divide the work with
    --shard; the last one to finish reports all. OUT/report.json has the scores with everything that made
    them, OUT/report.md a table beside the published figures. Datasets are not fetched: docs/evaluation.md
    says how to lay them out.

    """
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


evaluate.__doc__ = f"{evaluate.__doc__}{TARGET_HELP}"


def load_engine(suite: str, benchmark: Benchmark) -> Any:
    """The engine of the benchmark's kind; raises EngineMissing with the reason."""
    from workers.engines.registry import SUITES, load_engines

    if suite not in SUITES:
        raise EngineMissing(f"no engine suite is called {suite!r}; known: {', '.join(SUITES)}")
    if benchmark.kind not in SUITES[suite]:
        raise EngineMissing(f"{benchmark.name} needs an engine for {benchmark.kind}; {suite} has none")
    engines = load_engines(suite)
    if benchmark.kind not in engines.loaded:
        raise EngineMissing(f"{suite} cannot be loaded: {engines.failures[benchmark.kind]}")
    return engines.loaded[benchmark.kind]


def report_progress(text: str) -> None:
    """Write a line of progress beside the report."""
    print_line(text, stderr=True)


def run_evaluation(
    benchmark: Benchmark,
    engine: Any,
    out: Path,
    *,
    shard: Shard = Shard(),
    limit: int | None = None,
    predictions: bool = False,
) -> Report:
    """Answer what is missing, score what is there, and write the report; raises EvaluationError."""
    samples = benchmark.samples()
    dataset, described = describe_dataset(benchmark), describe_engine(engine.info)
    store = RecordStore(out / "answers", build_context(benchmark, dataset, described))
    wanted = samples[:limit]
    # this also finds missing media, before hours have gone by
    before = sum(store.has(sample) for sample in wanted)
    print_line(f"{benchmark.name}: {len(wanted)} samples, {before} of them answered before", stderr=True)
    summary = run_samples(benchmark, shard.choose(wanted), engine, store, say=report_progress)
    answered = sum(store.has(sample) for sample in wanted)
    # other shards are still at work, and the last of them scores
    waiting = shard.count > 1 and answered < len(wanted)
    records = {} if waiting else collect_records(wanted, store)
    report = Report(
        benchmark=benchmark.name,
        scores={} if waiting else benchmark.score(records),
        published=benchmark.published,
        notes=benchmark.notes,
        settings=asdict(benchmark.settings),
        changed=list_changes(benchmark.settings),
        scored=answered,
        total=len(samples),
        full_size=benchmark.full_size,
        refused=sum(len(record.get("refused", ())) for record in records.values()),
        failed=summary.failed,
        dataset=dataset,
        engine=described,
        code=describe_code(),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    report.write(out)
    if predictions:
        folder = out / "predictions"
        folder.mkdir(exist_ok=True)
        benchmark.export(records, folder)
    return report
