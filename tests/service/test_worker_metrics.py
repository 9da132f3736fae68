"""What workers report of themselves is on the metrics endpoint, and what they do not know is not."""

from typing import Any

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from service.state import State
from storage.ledger import fleet
from workers.pipeline import Batcher, Operation, PipelineStats


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


def test_a_worker_s_own_report_is_in_the_metrics(gateway: TestClient, state: State) -> None:
    batcher = Batcher(batch=2, wait_seconds=0)
    with batcher.job():
        for item in range(3):
            batcher.call(Operation("embed", lambda items: items), item, lambda: None)
    batcher.stats.record_stage("segment", "load", 0.02)
    report = {**batcher.stats.describe(), "gpu_memory": {"allocated": 5, "reserved": 8, "peak": 7}}
    batcher.close()
    fleet.announce(state.db, "w1", "sam3", [])
    fleet.record_seen(state.db, "w1", report)
    samples = read(gateway)
    assert select(samples, "batch_size_bucket", operation="embed", le="1.0") == 3
    assert select(samples, "batch_size_bucket", operation="embed", le="+Inf") == 3
    assert select(samples, "batch_size_sum", operation="embed") == 3
    assert select(samples, "queue_wait_seconds_count") == 3
    assert select(samples, "stage_seconds_bucket", kind="segment", stage="load", le="0.03") == 1
    assert select(samples, "gpu_memory_bytes", state="reserved") == 8
    assert select(samples, "split_batches_total") == 0
    ratio, seconds = select(samples, "engine_busy_ratio"), select(samples, "engine_busy_seconds_total")
    assert ratio is not None and seconds is not None and 0 <= ratio <= 1 and seconds >= 0


def test_unknown_values_have_no_sample(gateway: TestClient, state: State) -> None:
    fleet.announce(state.db, "w1", "sam3", [])
    assert not read(gateway)
    fleet.record_seen(state.db, "w1", PipelineStats().describe())
    assert not read(gateway)
