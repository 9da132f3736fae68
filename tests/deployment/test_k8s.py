"""The Kubernetes manifests: their kustomizations and schemas, and what each container sets."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deployment import manifests as m

VERSION = "1.31"
# kinds whose schema lives in the cluster, with KEDA
CUSTOM = {"ScaledObject", "TriggerAuthentication"}
# manifests that stand alone on purpose
UNLISTED = {m.K8S / "secret.example.yaml"}


def runnable() -> list[Any]:
    return [
        pytest.param(spec, container, id=f"{root}:{name}/{container['name']}")
        for root in m.ROOTS
        for name, spec, container in m.containers(m.rendered(m.K8S / root))
    ]


@pytest.mark.parametrize("folder", m.folders(), ids=lambda folder: str(folder.relative_to(m.K8S)))
def test_what_kustomizations_name_is_there(folder: Path) -> None:
    content = m.kustomization(folder)
    for name in [*content["resources"], *(patch["path"] for patch in content.get("patches", []))]:
        target = (folder / name).resolve()
        assert target.is_file() or (target / "kustomization.yaml").is_file(), name


def test_every_manifest_belongs_to_a_kustomization() -> None:
    listed = {
        (folder / name).resolve()
        for folder in m.folders()
        for content in [m.kustomization(folder)]
        for name in [*content["resources"], *(patch["path"] for patch in content.get("patches", []))]
    }
    files = {file for file in m.K8S.rglob("*.yaml") if file.name not in ("kustomization.yaml", "secret.yaml")}
    assert files - listed == UNLISTED


@pytest.mark.parametrize("manifests", m.by_root())
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


def test_the_schemas_report_errors() -> None:
    (manifest,) = m.documents(m.K8S / "base" / "worker-default.yaml")
    broken = yaml.safe_load(yaml.safe_dump(manifest).replace("readOnlyRootFilesystem", "readOnlyRoot"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


@pytest.mark.parametrize("manifests", m.by_root())
def test_all_manifests_use_one_namespace(manifests: list[m.Data]) -> None:
    for manifest in manifests:
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "maquette", m.named(manifest)


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
def test_containers_can_write_where_they_must(spec: m.Data, container: m.Data) -> None:
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


@pytest.mark.parametrize("manifests", m.by_root())
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
