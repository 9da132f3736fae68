"""What workers measure about themselves, as they report it to the ledger, in Prometheus' terms."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from storage.ledger import WorkerRow

LABELS = ("worker", "queue")
# fields of the report with one distribution per operation, per stage, or in all
BY_OPERATION = {
    "batch_size": "Calls that the engine got in one batch",
    "batch_seconds": "Time that the engine took for one batch",
}


def collect(workers: Iterable[WorkerRow]) -> Iterator[Metric]:
    """The metrics of workers that have reported; what one does not know has no sample."""
    reports = [((row.id, row.queue), row.stats) for row in workers if row.stats is not None]
    busy = GaugeMetricFamily(
        "maquette_worker_engine_busy_ratio", "Share of the last seconds in which batches ran", labels=LABELS
    )
    seconds = CounterMetricFamily(
        "maquette_worker_engine_busy_seconds", "Time in which batches ran", labels=LABELS
    )
    splits = CounterMetricFamily(
        "maquette_worker_split_batches", "Batches that failed and were halved", labels=LABELS
    )
    memory = GaugeMetricFamily(
        "maquette_worker_gpu_memory_bytes",
        "Memory of the GPU that this worker uses: allocated, reserved, peak since the last report",
        labels=(*LABELS, "state"),
    )
    for names, report in reports:
        if report.get("busy_ratio") is not None:
            busy.add_metric(names, report["busy_ratio"])
            seconds.add_metric(names, report["busy_seconds"])
            splits.add_metric(names, report["splits"])
        for state, value in (report.get("gpu_memory") or {}).items():
            memory.add_metric((*names, state), value)
    yield from (busy, seconds, splits, memory)
    yield from _collect_distributions(reports)


def _collect_distributions(reports: list[tuple[tuple[str, str], dict[str, Any]]]) -> Iterator[Metric]:
    for field, summary in BY_OPERATION.items():
        family = HistogramMetricFamily(f"maquette_worker_{field}", summary, labels=(*LABELS, "operation"))
        for names, report in reports:
            for operation, distribution in report.get(field, {}).items():
                _add(family, (*names, operation), distribution)
        yield family
    waits = HistogramMetricFamily(
        "maquette_worker_queue_wait_seconds", "Time that calls waited for their batch", labels=LABELS
    )
    stages = HistogramMetricFamily(
        "maquette_worker_stage_seconds",
        "Time that jobs spent in each stage, as their progress names it",
        labels=(*LABELS, "kind", "stage"),
    )
    for names, report in reports:
        if report.get("busy_ratio") is not None:
            _add(waits, names, report["queue_wait_seconds"])
        for item in report.get("stage_seconds", []):
            _add(stages, (*names, item["kind"], item["stage"]), item)
    yield from (waits, stages)


def _add(family: HistogramMetricFamily, labels: tuple[str, ...], distribution: Mapping[str, Any]) -> None:
    buckets = [(str(float(bound)), count) for bound, count in distribution["buckets"]]
    family.add_metric(labels, [*buckets, ("+Inf", distribution["count"])], distribution["sum"])
