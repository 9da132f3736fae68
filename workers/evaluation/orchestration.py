"""One evaluation from a benchmark and an engine to a report."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maquette.plain_text import print_line

from workers.engines.registry import SUITES, load_engines
from workers.evaluation.benchmark import Benchmark
from workers.evaluation.errors import EngineMissing
from workers.evaluation.provenance import build_context, describe_code, describe_dataset, describe_engine
from workers.evaluation.report import Report
from workers.evaluation.runner import Shard, collect_records, run_samples
from workers.evaluation.settings import list_changes
from workers.evaluation.store import RecordStore


def load_engine(suite: str, benchmark: Benchmark) -> Any:
    """The engine of the benchmark's kind; raises EngineMissing with the reason."""
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
        version=benchmark.version,
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
