"""The Kubernetes manifests, judged by their schemas and by what they have to agree on."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deployment import manifests as m
from tests.support.paths import REPOSITORY
from workers.engines.registry import SUITES

VERSION = "1.31"
# kinds whose schema lives in the cluster, with KEDA
CUSTOM = {"ScaledObject", "TriggerAuthentication"}
# manifests that stand alone on purpose
UNLISTED = {m.K8S / "secret.example.yaml"}
DATABASE_LABELS = {"maquette/uses-database", "maquette/uses-store", "maquette/uses-queue"}


def covers(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector of labels matches; an empty one matches everything."""
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def named(manifest: m.Data) -> str:
    return "/".join(m.identity(manifest))


def by_root() -> list[Any]:
    return [pytest.param(m.rendered(m.K8S / root), id=root) for root in m.ROOTS]


def runnable() -> list[Any]:
    return [
        pytest.param(spec, container, id=f"{root}:{name}/{container['name']}")
        for root in m.ROOTS
        for name, spec, container in m.containers(m.rendered(m.K8S / root))
    ]


@pytest.mark.parametrize("folder", m.folders(), ids=lambda folder: str(folder.relative_to(m.K8S)))
def test_what_kustomizations_name_is_there(folder: Path) -> None:
    told = m.kustomization(folder)
    for name in [*told["resources"], *(patch["path"] for patch in told.get("patches", []))]:
        target = (folder / name).resolve()
        assert target.is_file() or (target / "kustomization.yaml").is_file(), name


def test_every_manifest_belongs_to_a_kustomization() -> None:
    listed = {
        (folder / name).resolve()
        for folder in m.folders()
        for told in [m.kustomization(folder)]
        for name in [*told["resources"], *(patch["path"] for patch in told.get("patches", []))]
    }
    files = {file for file in m.K8S.rglob("*.yaml") if file.name not in ("kustomization.yaml", "secret.yaml")}
    assert files - listed == UNLISTED


@pytest.mark.parametrize("manifests", by_root())
def test_manifests_follow_their_schemas(manifests: list[m.Data]) -> None:
    judged = 0
    for manifest in manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, VERSION, strict=True)
            judged += 1
    assert judged


def test_the_example_secret_follows_its_schema_and_holds_none() -> None:
    (secret,) = m.documents(m.K8S / "secret.example.yaml")
    kubernetes_validate.validate(secret, VERSION, strict=True)
    assert set(secret["stringData"].values()) == {"REPLACE-ME"}
    assert "secret.yaml" in (m.K8S / ".gitignore").read_text().split()
    assert not [manifest for manifest in m.everything_runnable() if manifest["kind"] == "Secret"]


def test_the_schemas_would_speak_up() -> None:
    (manifest,) = m.documents(m.K8S / "base" / "worker-default.yaml")
    broken = yaml.safe_load(yaml.safe_dump(manifest).replace("readOnlyRootFilesystem", "readOnlyRoot"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


@pytest.mark.parametrize("manifests", by_root())
def test_everything_lives_in_one_namespace(manifests: list[m.Data]) -> None:
    for manifest in manifests:
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "maquette", named(manifest)


@pytest.mark.parametrize(("spec", "container"), runnable())
def test_containers_are_restricted(spec: m.Data, container: m.Data) -> None:
    pod, own = spec["securityContext"], container["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert not {"privileged", "runAsUser", "runAsNonRoot"} & set(own)
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all("hostPath" not in volume for volume in spec.get("volumes", []))


@pytest.mark.parametrize(("spec", "container"), runnable())
def test_containers_say_what_they_need(spec: m.Data, container: m.Data) -> None:
    resources = container["resources"]
    assert set(resources["requests"]) >= {"cpu", "memory"}
    assert "memory" in resources["limits"]
    if spec.get("restartPolicy") is None:
        assert "livenessProbe" in container
        assert {"readinessProbe", "startupProbe"} & set(container)


@pytest.mark.parametrize(("spec", "container"), runnable())
def test_ours_can_write_where_they_must(spec: m.Data, container: m.Data) -> None:
    if container["image"].startswith("maquette/"):
        scratch = {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume}
        writable = {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in scratch}
        assert writable >= {"/tmp", "/scratch"}
        assert all("sizeLimit" in v["emptyDir"] for v in spec["volumes"] if "emptyDir" in v)


@pytest.mark.parametrize(("spec", "container"), runnable())
def test_mounts_name_volumes(spec: m.Data, container: m.Data) -> None:
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    # the volumes of a stateful set come from its claims
    assert mounts - volumes <= {"data"}
    assert volumes <= mounts


@pytest.mark.parametrize("manifests", by_root())
def test_variables_are_settings(manifests: list[m.Data]) -> None:
    maps = {item["metadata"]["name"]: item["data"] for item in manifests if item["kind"] == "ConfigMap"}
    judged = 0
    for name, _, container in m.containers(manifests):
        if not container["image"].startswith("maquette/"):
            continue
        variables = {item["name"] for item in container.get("env", [])}
        client = container["command"][0] == "maquette" if "command" in container else False
        known = {"MAQUETTE_URL", "MAQUETTE_API_KEY"} if client else m.SERVER_VARIABLES
        if "worker" in name and not client:
            # what only the gateway reads must not be asked of a worker
            assert {v for v in variables if v.startswith(m.prefix())} <= m.WORKER_VARIABLES
        for source in container.get("envFrom", []):
            variables |= set(maps[source["configMapRef"]["name"]])
        ours = {variable for variable in variables if variable.startswith(m.prefix())}
        assert ours
        assert ours <= known, name
        judged += 1
    assert judged


def test_secret_keys_are_in_the_example() -> None:
    (secret,) = m.documents(m.K8S / "secret.example.yaml")
    used = set()
    for _, _, container in m.containers(m.everything_runnable()):
        for item in container.get("env", []):
            ref = item.get("valueFrom", {}).get("secretKeyRef")
            if ref:
                assert ref["name"] == secret["metadata"]["name"]
                used.add(ref["key"])
    assert used == set(secret["stringData"])


@pytest.mark.parametrize("manifests", by_root())
def test_selectors_find_their_pods(manifests: list[m.Data]) -> None:
    labels = [found for _, found, _ in m.pods(manifests)]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            hit = [s for _, found, s in m.pods(manifests) if spec["selector"].items() <= found.items()]
            assert len(hit) == 1, named(manifest)
            ports = {p["name"] for container in hit[0]["containers"] for p in container["ports"]}
            assert {port["targetPort"] for port in spec["ports"]} <= ports
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            assert covers(spec["selector"], spec["template"]["metadata"]["labels"]), named(manifest)
            assert sum(covers(spec["selector"], found) for found in labels) == 1, named(manifest)
        if manifest["kind"] == "PodDisruptionBudget":
            assert sum(covers(spec["selector"], found) for found in labels) == 1, named(manifest)


def policies(manifests: list[m.Data]) -> list[m.Data]:
    return [manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize("root", m.ROOTS)
def test_network_policies_select_pods_that_exist(root: str) -> None:
    manifests = m.rendered(m.K8S / root)
    # the batch example speaks to what the base runs
    here = manifests if root != "batch" else manifests + m.rendered(m.K8S / "base")
    labels = [found for _, found, _ in m.pods(here)]
    found = policies(manifests)
    assert found
    for policy in found:
        peers = [policy["spec"]["podSelector"]]
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            assert rule["ports"], named(policy)
            peers += [
                p["podSelector"] for p in rule.get("from", []) + rule.get("to", []) if "podSelector" in p
            ]
        for selector in peers:
            assert any(covers(selector, pod) for pod in labels), named(policy)


@pytest.mark.parametrize("root", [root for root in m.ROOTS if root != "batch"])
def test_nothing_flows_unless_it_is_named(root: str) -> None:
    found = policies(m.rendered(m.K8S / root))
    deny = next(policy for policy in found if policy["metadata"]["name"] == "default-deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in found:
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"], f"{named(policy)} is open to everyone"


@pytest.mark.parametrize("root", [root for root in m.ROOTS if root != "batch"])
def test_gateway_and_workers_reach_queue_database_and_store(root: str) -> None:
    manifests = m.rendered(m.K8S / root)
    egress = [policy["spec"] for policy in policies(manifests) if "Egress" in policy["spec"]["policyTypes"]]
    store = 9000 if root.endswith("dev") else 443
    judged = 0
    for name, labels, spec in m.pods(manifests):
        if not spec["containers"][0]["image"].startswith("maquette/") or name == "Job/migrate":
            continue
        open_ports = {
            port["port"]
            for rules in egress
            if covers(rules["podSelector"], labels)
            for rule in rules.get("egress", [])
            for port in rule["ports"]
        }
        assert open_ports >= {53, 6379, 5432, store}, name
        assert set(labels) >= DATABASE_LABELS
        judged += 1
    assert judged == 5


@pytest.mark.parametrize("manifests", by_root())
def test_accounts_exist_and_have_no_token(manifests: list[m.Data]) -> None:
    accounts = {a["metadata"]["name"]: a for a in manifests if a["kind"] == "ServiceAccount"}
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    assert {spec["serviceAccountName"] for _, _, spec in m.pods(manifests)} <= set(accounts)


@pytest.mark.parametrize("manifests", by_root())
def test_claims_exist(manifests: list[m.Data]) -> None:
    claims = {c["metadata"]["name"] for c in manifests if c["kind"] == "PersistentVolumeClaim"}
    for name, _, spec in m.pods(manifests):
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name


def workers() -> list[Any]:
    found = [d for d in m.rendered(m.K8S / "base") if d["metadata"]["name"].startswith("worker-")]
    return [pytest.param(manifest, id=manifest["metadata"]["name"]) for manifest in found]


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
    assert f"/{parsed.params['out'].parts[1]}" in mounts
    variables = {item["name"]: item for item in container["env"]}
    service = next(d for d in m.rendered(m.K8S / "base") if m.identity(d) == ("Service", "gateway"))
    port = service["spec"]["ports"][0]["port"]
    assert re.fullmatch(rf"http://gateway:{port}", variables["MAQUETTE_URL"]["value"])
