"""The Kubernetes manifests agree with the program: queues, probes, scaling and the batch example."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import manifests as m
from tests.support.paths import REPOSITORY
from workers.engines.registry import SUITES


def workers() -> list[Any]:
    actual = [d for d in m.rendered(m.K8S / "base") if d["metadata"]["name"].startswith("worker-")]
    return [pytest.param(manifest, id=manifest["metadata"]["name"]) for manifest in actual]


@pytest.mark.parametrize("manifest", workers())
def test_workers_run_the_engines_of_their_queue(manifest: m.Data) -> None:
    spec = manifest["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    command = container["command"]
    queue = command[command.index("--queues") + 1]
    variables = {item["name"]: item.get("value") for item in container["env"]}
    assert variables["MAQUETTE_WORKER_QUEUE"] == variables["MAQUETTE_WORKER_ENGINES"] == queue
    assert container["image"] == f"maquette/{manifest['metadata']['name']}:0.1.0"
    assert command[command.index("--concurrency") + 1] == "1"
    assert command[command.index("--pool") + 1] == "prefork"
    assert {"--without-gossip", "--without-mingle"} <= set(command)
    has_gpu = "nvidia.com/gpu" in container["resources"]["limits"]
    assert has_gpu == (queue != "default")
    assert queue in SUITES or queue in m.KNOWN_ENGINES
    assert manifest["spec"]["replicas"] == (0 if has_gpu else 1), "a template must not be started"


@pytest.mark.parametrize("manifest", workers())
def test_workers_have_time_to_hand_back(manifest: m.Data) -> None:
    settings = m.WorkerSettings.model_fields
    needed = settings["stop_grace_seconds"].default + settings["heartbeat_seconds"].default
    assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 3 * needed


def test_probes_ask_routes_that_exist() -> None:
    from service.app import create_app

    routes = set(create_app().openapi()["paths"])
    gateway = next(d for d in m.rendered(m.K8S / "base") if m.identity(d) == ("Deployment", "gateway"))
    (container,) = gateway["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert {"/healthz", "/readyz"} <= routes


@pytest.mark.slow
def test_the_start_of_a_worker_is_its_line_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage.ledger import Database, fleet

    (manifest,) = m.documents(m.K8S / "base" / "worker-default.yaml")
    probe = manifest["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["exec"]["command"]
    assert probe[:2] == ["python", "-c"]
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("MAQUETTE_DATABASE_URL", url)
    monkeypatch.setenv("MAQUETTE_WORKER_ID", "pod-1")
    db = Database(url)
    db.migrate()
    assert subprocess.run([sys.executable, *probe[1:]], cwd=REPOSITORY, timeout=60).returncode == 1
    fleet.announce(db, "pod-1", "default", [])
    assert subprocess.run([sys.executable, *probe[1:]], cwd=REPOSITORY, timeout=60).returncode == 0


def test_scaling_counts_jobs_of_the_ledger() -> None:
    from sqlalchemy import create_engine, text

    from storage.ledger.tables import metadata

    scaled = next(d for d in m.rendered(m.K8S / "overlays/prod-keda") if d["kind"] == "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for number, state in enumerate(("queued", "running", "succeeded", "failed", "cancelled")):
            lease = 1.0 if state == "running" else None
            connection.execute(
                metadata.tables["jobs"].insert().values(**job(number, state), lease_until=lease)
            )
        # a job that waits for its parts needs no worker
        connection.execute(metadata.tables["jobs"].insert().values(**job(9, "running")))
        assert connection.execute(text(trigger["metadata"]["query"])).scalar() == 2
    names = {d["metadata"]["name"] for d in m.rendered(m.K8S / "base") if d["kind"] == "Deployment"}
    assert scaled["spec"]["scaleTargetRef"]["name"] in names
    assert scaled["spec"]["minReplicaCount"] >= 1
    auth = next(d for d in m.rendered(m.K8S / "overlays/prod-keda") if d["kind"] == "TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] == auth["metadata"]["name"]


def job(number: int, state: str) -> dict[str, Any]:
    """A row of the ledger."""
    texts = dict.fromkeys(("tenant", "kind", "engine", "request", "request_hash"), "x")
    numbers = dict.fromkeys(("timeout_seconds", "attempt", "handed_back", "created_at"), 1)
    return {"id": f"job_{number}", "state": state, "queue": "default", **texts, **numbers}


def test_autoscaled_deployments_leave_their_replicas_open() -> None:
    manifests = m.rendered(m.K8S / "overlays/prod")
    (scaler,) = [d for d in manifests if d["kind"] == "HorizontalPodAutoscaler"]
    target = scaler["spec"]["scaleTargetRef"]
    deployment = next(d for d in manifests if m.identity(d) == (target["kind"], target["name"]))
    assert "replicas" not in deployment["spec"]


def test_the_batch_example_calls_the_command_line_right() -> None:
    from maquette.cli.main import app
    from typer.main import get_command

    (manifest,) = m.documents(m.K8S / "batch" / "dataset.yaml")
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    program, *arguments = container["command"]
    assert program == "maquette"
    root: Any = get_command(app)
    context = root.make_context("maquette", list(arguments))
    name, command, rest = root.resolve_command(context, [*context._protected_args, *context.args])
    assert name == "dataset"
    group = command.make_context(name, list(rest), parent=context)
    inner, making, rest = command.resolve_command(group, [*group._protected_args, *group.args])
    parsed = making.make_context(inner, list(rest), parent=group)
    assert parsed.params["text"] == ["person", "car"]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert f"/{Path(parsed.params['videos'][0]).parts[1]}" in mounts
    assert f"/{parsed.params['output_folder'].parts[1]}" in mounts
    variables = {item["name"]: item for item in container["env"]}
    service = next(d for d in m.rendered(m.K8S / "base") if m.identity(d) == ("Service", "gateway"))
    port = service["spec"]["ports"][0]["port"]
    assert re.fullmatch(rf"http://gateway:{port}", variables["MAQUETTE_URL"]["value"])
