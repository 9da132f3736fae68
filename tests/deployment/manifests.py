"""Reads the deployment's files as data; resolves what kustomizations name, without kustomize."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from scripts.settings_reference import list_variables
from service import catalogue
from service.settings import ServiceSettings
from tests.support.paths import REPOSITORY
from workers.engines.bodies.mhr.settings import MhrSettings
from workers.engines.bodies.sam3d.settings import Sam3dBodySettings
from workers.engines.concepts.sam3.settings import MetaSettings, Sam3Settings
from workers.engines.objects.sam3d.settings import Sam3dObjectsSettings
from workers.engines.settings import SharedEngineSettings
from workers.settings import WorkerSettings

K8S = REPOSITORY / "k8s"
# what runs beside an overlay, on the claims and services of the base
BESIDE = ("batch", "models")
OVERLAYS = ("overlays/dev", "overlays/prod", "overlays/prod-keda")
ROOTS = (*OVERLAYS, *BESIDE)
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")
Data = dict[str, Any]


def prefix() -> str:
    """What every setting's variable starts with."""
    return str(ServiceSettings.model_config["env_prefix"])


def variable_names(*classes: type[BaseSettings]) -> set[str]:
    """The variables that a process with these settings reads."""
    return {variable.name for kind in classes for variable in list_variables(kind)}


GATEWAY_VARIABLES = variable_names(ServiceSettings)
WORKER_VARIABLES = variable_names(WorkerSettings, SharedEngineSettings)
KNOWN_ENGINES = {engine.name for engine in catalogue.KNOWN}
GPU_VARIABLES = variable_names(
    Sam3Settings, MetaSettings, Sam3dBodySettings, Sam3dObjectsSettings, MhrSettings
)
SERVER_VARIABLES = GATEWAY_VARIABLES | WORKER_VARIABLES | GPU_VARIABLES


@cache
def documents(file: Path) -> tuple[Data, ...]:
    """Every document of a YAML file, to read but not to change."""
    loaded = yaml.load_all(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return tuple(document for document in loaded if document is not None)


def compose() -> Data:
    """docker-compose.yml with its anchors resolved."""
    (document,) = documents(REPOSITORY / "docker-compose.yml")
    return document


@cache
def kustomization(folder: Path) -> Data:
    """The kustomization of a folder."""
    (document,) = documents(folder / "kustomization.yaml")
    known = {"apiVersion", "kind", "namespace", "labels", "resources", "patches", "images"}
    assert set(document) <= known, f"{folder}: this test does not resolve {set(document) - known}"
    return document


def folders() -> list[Path]:
    """Every folder with a kustomization."""
    return sorted(file.parent for file in K8S.rglob("kustomization.yaml"))


def rendered(folder: Path) -> list[Data]:
    """The manifests that a kustomization stands for: resources, then patches by kind and name."""
    content = kustomization(folder)
    collected: dict[tuple[str, str], Data] = {}
    for name in content["resources"]:
        target = (folder / name).resolve()
        for manifest in rendered(target) if target.is_dir() else documents(target):
            assert identity(manifest) not in collected, f"{identity(manifest)} is there twice"
            collected[identity(manifest)] = manifest
    for patch in content.get("patches", []):
        for change in documents(folder / patch["path"]):
            collected[identity(change)] = merge(collected[identity(change)], change)
    return list(collected.values())


def identity(manifest: Data) -> tuple[str, str]:
    """Kind and name: one namespace holds everything."""
    return manifest["kind"], manifest["metadata"]["name"]


def merge(base: Any, change: Any) -> Any:
    """A strategic merge of mappings; this project's patches carry no lists of mappings."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        assert not (isinstance(change, list) and any(isinstance(item, dict) for item in change))
        return change
    return {**base, **{key: merge(base.get(key), value) for key, value in change.items()}}


def everything() -> list[Data]:
    """Every manifest under k8s/ as it stands in its file."""
    files = (file for file in K8S.rglob("*.yaml") if file.name != "kustomization.yaml")
    return [document for file in sorted(files) for document in documents(file)]


def workloads(manifests: list[Data]) -> list[Data]:
    """Those that run pods."""
    return [manifest for manifest in manifests if manifest["kind"] in WORKLOADS]


def pods(manifests: list[Data]) -> Iterator[tuple[str, Data, Data]]:
    """Name, labels and specification of the pods of each workload."""
    for manifest in workloads(manifests):
        spec = manifest["spec"]
        template = (spec["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else spec)["template"]
        yield "/".join(identity(manifest)), template["metadata"]["labels"], template["spec"]


def containers(manifests: list[Data]) -> Iterator[tuple[str, Data, Data]]:
    """Name of the workload, specification of the pod, and each of its containers."""
    for name, _, spec in pods(manifests):
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield name, spec, container


def images() -> Iterator[tuple[str, str]]:
    """Every image that compose or a manifest names, and where."""
    for name, service in compose()["services"].items():
        yield f"compose/{name}", service["image"]
    for name, _, container in containers(everything_runnable()):
        yield name, container["image"]


def everything_runnable() -> list[Data]:
    """The manifests of every kustomization that an operator applies."""
    return [manifest for root in ROOTS for manifest in rendered(K8S / root)]


def covers(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector of labels matches; an empty one matches everything."""
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def named(manifest: Data) -> str:
    """Kind and name in one word, for messages."""
    return "/".join(identity(manifest))


def by_root() -> list[Any]:
    """The rendered manifests of every root, as parameters of a test."""
    return [pytest.param(rendered(K8S / root), id=root) for root in ROOTS]
