"""What workers measure about themselves, as they report it to the ledger, in Prometheus' terms."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from storage.ledger import WorkerRow

LABELS = ("worker", "queue")
# fields of the report with one distribution per operation
BY_OPERATION = {
    "batch_size": "Calls that the engine got in one batch",
    "batch_seconds": "Time that the engine took for one batch",
}
# those with a list of distributions, each with its labels
BY_KIND = {
    "stage_seconds": ("Time that jobs spent in each stage, as their progress names it", "stage"),
    "job_gpu_memory_peak_bytes": (
        "Most GPU memory that torch had allocated in a process (the worker's, or the child of an engine) "
        "while a job ran; jobs that shared the process at that time share its peak",
        "process",
    ),
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
        "GPU memory of torch in each process of a worker (its own, or the child of an engine as of its last "
        "answer): allocated, reserved, peak of allocated since the last report",
        labels=(*LABELS, "process", "state"),
    )
    for names, report in reports:
        if report.get("busy_ratio") is not None:
            busy.add_metric(names, report["busy_ratio"])
            seconds.add_metric(names, report["busy_seconds"])
            splits.add_metric(names, report["splits"])
        for measured in report.get("gpu_memory_bytes", []):
            for state in ("allocated", "reserved", "peak"):
                memory.add_metric((*names, measured["process"], state), measured[state])
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
    for names, report in reports:
        if report.get("busy_ratio") is not None:
            _add(waits, names, report["queue_wait_seconds"])
    yield waits
    for field, (summary, label) in BY_KIND.items():
        family = HistogramMetricFamily(f"maquette_worker_{field}", summary, labels=(*LABELS, "kind", label))
        for names, report in reports:
            for item in report.get(field, []):
                _add(family, (*names, item["kind"], item[label]), item)
        yield family


def _add(family: HistogramMetricFamily, labels: tuple[str, ...], distribution: Mapping[str, Any]) -> None:
    buckets = [(str(float(bound)), count) for bound, count in distribution["buckets"]]
    family.add_metric(labels, [*buckets, ("+Inf", distribution["count"])], distribution["sum"])
