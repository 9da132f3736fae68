"""What workers report of themselves is on the metrics endpoint, and what they do not know is not."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from service.state import State
from storage.ledger import fleet
from tests.support.fake_gpu_memory import GIB, FakeGpuMemory
from workers.engines.gpu_memory import STATES, MemoryMonitor
from workers.pipeline import Batcher, Operation, PipelineStats, stats


def read(gateway: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(gateway.get("/metrics").text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("maquette_worker_")
    }


def select(samples: dict[Any, float], name: str, **labels: str) -> float | None:
    wanted = frozenset({"worker": "w1", "queue": "sam3", **labels}.items())
    return samples.get((f"maquette_worker_{name}", wanted))


def test_a_worker_s_own_report_is_in_the_metrics(
    gateway: TestClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher(batch=2, wait_seconds=0)
    with batcher.job():
        for item in range(3):
            batcher.call(Operation("embed", lambda items: items), item, lambda: None)
    batcher.stats.record_stage("segment", "load", 0.02)
    card = FakeGpuMemory()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=card))
    monkeypatch.setattr(stats, "MONITOR", MemoryMonitor())
    card.allocate(3)
    for gib in (2, 20):
        with batcher.stats.watch_memory("segment"):
            card.compute(gib)
    report = batcher.stats.describe()
    batcher.close()
    fleet.announce(state.db, "w1", "sam3", [])
    fleet.record_seen(state.db, "w1", report)
    samples = read(gateway)
    assert select(samples, "batch_size_bucket", operation="embed", le="1.0") == 3
    assert select(samples, "batch_size_bucket", operation="embed", le="+Inf") == 3
    assert select(samples, "batch_size_sum", operation="embed") == 3
    assert select(samples, "queue_wait_seconds_count") == 3
    assert select(samples, "stage_seconds_bucket", kind="segment", stage="load", le="0.03") == 1
    known = {state: select(samples, "gpu_memory_bytes", process="worker", state=state) for state in STATES}
    assert known == {"allocated": 3 * GIB, "reserved": 23 * GIB, "peak": 23 * GIB}
    job = {"kind": "segment", "process": "worker"}
    peaks = "job_gpu_memory_peak_bytes"
    for gib, count in {4: 0, 6: 1, 16: 1, 24: 2}.items():
        assert select(samples, f"{peaks}_bucket", **job, le=str(float(gib * GIB))) == count
    assert select(samples, f"{peaks}_sum", **job) == 28 * GIB
    assert select(samples, "split_batches_total") == 0
    ratio, seconds = select(samples, "engine_busy_ratio"), select(samples, "engine_busy_seconds_total")
    assert ratio is not None and seconds is not None and 0 <= ratio <= 1 and seconds >= 0


def test_unknown_values_have_no_sample(gateway: TestClient, state: State) -> None:
    fleet.announce(state.db, "w1", "sam3", [])
    assert not read(gateway)
    fleet.record_seen(state.db, "w1", PipelineStats().describe())
    assert not read(gateway)
    # as workers of the version before report while they are replaced
    earlier = {"busy_ratio": None, "gpu_memory": {"allocated": 5, "reserved": 8, "peak": 7}}
    fleet.record_seen(state.db, "w1", earlier)
    assert not read(gateway)
