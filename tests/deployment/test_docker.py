"""The Dockerfile and the compose file, judged by tools that need no engine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import manifests as m
from tests.support.paths import REPOSITORY
from workers.engines.registry import SUITES

pytestmark = pytest.mark.slow

TARGETS = {"gateway", "worker-default", "worker-sam3", "worker-sam3d-objects", "worker-sam3d-body"}
DOCKERFILE = REPOSITORY / "Dockerfile"
SERVICES: dict[str, dict[str, Any]] = m.compose()["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("maquette/"))
# a fresh volume belongs to root in MinIO's image
ROOT_BY_NEED = {"minio"}
SECRET_NAMES = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|API_KEY|TOKEN")


def stages() -> dict[str, str]:
    """Each stage's instructions, without comments and with continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE)[1:]
    return {name: f"FROM {base}\n{body}" for base, name, body in zip(*[iter(parts)] * 3, strict=True)}


def chain(stage: str) -> str:
    """A stage's instructions after those of the stages it stands on."""
    actual = stages()
    text = actual[stage]
    base = text.split("\n", 1)[0].removeprefix("FROM ")
    return (chain(base) if base in actual else "") + text


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment, which every developer has."""
    # make calls pytest by its path, so the environment's own programs need not be on PATH
    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    tool = shutil.which(command[0], path=own)
    assert tool is not None, f"{command[0]} is not installed: make dev"
    return subprocess.run([tool, *command[1:]], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


def test_hadolint_reports_nothing() -> None:
    completed = run("hadolint", "--failure-threshold", "style", "Dockerfile")
    assert (completed.returncode, completed.stdout) == (0, "")


def test_hadolint_reports_errors(tmp_path: Any) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN pip install fastapi\n")
    assert run("hadolint", "--failure-threshold", "style", str(bad)).returncode == 1


def test_every_target_is_a_stage() -> None:
    assert set(stages()) >= TARGETS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_images_run_as_a_numeric_user_and_report_their_health(target: str) -> None:
    text = chain(target)
    users = re.findall(r"^USER (\S+)$", text, flags=re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    assert re.search(r"^HEALTHCHECK .*CMD \[", text, flags=re.MULTILINE)
    assert re.search(r'^CMD \["', text, flags=re.MULTILINE)


def test_only_the_default_worker_carries_weights() -> None:
    carrying = {
        name for name, text in stages().items() if re.search(r"^COPY .*\bmodels\b", text, re.MULTILINE)
    }
    assert carrying == {"worker-default"}


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    lines = DOCKERFILE.with_name(".dockerignore").read_text().splitlines()
    assert "*" in lines
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", "".join(stages().values()), flags=re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert len(sources) >= 8
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert any(source == name or source.startswith(f"{name}/") for name in sent), source


def test_neither_pulled_weights_nor_leftovers_of_builds_are_sent() -> None:
    lines = DOCKERFILE.with_name(".dockerignore").read_text().splitlines()
    # gated weights lie in models/<engine> by default; setuptools would take old modules from build/
    for pattern in ("models/*/*", "**/build"):
        assert lines.index(pattern) > max(lines.index("!models"), lines.index("!clients/python"))


def test_every_installation_is_constrained() -> None:
    lines = [line for line in chain("default-environment").splitlines() if "pip install" in line]
    assert len(lines) >= 3
    for command in re.findall(r"pip install ([^&]*)", "\n".join(lines)):
        assert "-c constraints.txt" in command or "--no-deps" in command, command


@pytest.mark.parametrize("name", ["sam3", "sam3d-body"])
def test_current_cards_are_served(name: str) -> None:
    """PyTorch has kernels for Blackwell (compute capability 10 and 12) since 2.7; Objects cannot have it."""
    [version] = re.findall(
        r"^torch==(\d+)\.(\d+)", (REPOSITORY / f"docker/{name}.txt").read_text(), re.MULTILINE
    )
    assert tuple(map(int, version)) >= (2, 7)


def test_images_set_only_known_settings() -> None:
    named = set(re.findall(rf"\b({m.prefix()}\w+)=", "".join(stages().values())))
    assert named
    assert named <= m.SERVER_VARIABLES


@pytest.mark.parametrize("target", sorted(TARGETS - {"gateway"}))
def test_workers_listen_to_the_queue_of_their_engines(target: str) -> None:
    text = chain(target)
    queue = re.findall(r'"--queues", "(\S+)"', text)[-1]
    named = dict(re.findall(r"(MAQUETTE_WORKER_\w+)=(\S+)", text))
    assert named.get("MAQUETTE_WORKER_QUEUE", "default") == queue
    assert named.get("MAQUETTE_WORKER_ENGINES", "default") == queue
    assert queue in SUITES or queue in m.KNOWN_ENGINES


def test_compose_follows_its_schema() -> None:
    completed = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_the_compose_schema_reports_errors(tmp_path: Any) -> None:
    bad = tmp_path / "compose.yml"
    bad.write_text("services: {a: {image: b, restrat: always}}\n")
    assert run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(bad)).returncode == 1


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_compose_services_are_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] in ("unless-stopped", "on-failure")
    if name in OURS:
        assert "user" not in service, "the image's own user is the right one"
    else:
        assert service["user"].startswith("0:") == (name in ROOT_BY_NEED)


@pytest.mark.parametrize("name", OURS)
def test_compose_builds_targets_that_exist(name: str) -> None:
    service = SERVICES[name]
    target = service["build"]["target"]
    assert target in TARGETS
    assert service["image"] == f"maquette/{target}:0.1.0"


def test_gpu_workers_wait_for_their_profile() -> None:
    with_gpu = {name for name, service in SERVICES.items() if "deploy" in service}
    with_profile = {name for name, service in SERVICES.items() if service.get("profiles") == ["gpu"]}
    assert with_profile == TARGETS - {"gateway", "worker-default"}
    # that one starts a worker for each GPU
    assert with_gpu - with_profile == {"worker-sam3-all-gpus"}
    assert SERVICES["worker-sam3-all-gpus"]["profiles"] == ["all-gpus"]


def test_compose_sets_only_settings_that_exist() -> None:
    for name in OURS:
        allowed = m.WORKER_VARIABLES if "worker" in SERVICES[name]["image"] else m.GATEWAY_VARIABLES
        if SERVICES[name]["environment"].get("MAQUETTE_AUTO_MIGRATE"):
            # one block of settings serves all; a worker passes over this one
            allowed = allowed | {"MAQUETTE_AUTO_MIGRATE"}
        named = {key for key in SERVICES[name]["environment"] if key.startswith(m.prefix())}
        assert named
        assert named <= allowed


def test_compose_holds_no_secret() -> None:
    checked = 0
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if SECRET_NAMES.search(key):
                checked += 1
                # without a value it is that of the shell
                assert value is None or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), (
                    f"{key} must come from the environment"
                )
    assert checked >= 8
    passwords = re.findall(r"://\w*:([^@]*)@", DOCKERFILE.with_name("docker-compose.yml").read_text())
    assert passwords
    assert all(password.startswith("${") for password in passwords)


def test_dependencies_are_waited_for() -> None:
    health_in_image = {"gateway", "worker-default"}
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name] or name in health_in_image
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[name]["restart"] == "on-failure"


@pytest.mark.parametrize(("where", "image"), sorted(set(m.images())))
def test_images_are_pinned(where: str, image: str) -> None:
    name, _, tag = image.rpartition(":")
    assert name, f"{where}: {image} has no tag"
    assert tag != "latest"
    assert re.search(r"\d", tag)


def test_base_images_are_pinned() -> None:
    bases = re.findall(r"^ARG \w+_IMAGE=(\S+)$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"[\w/]+:\d+\.\d+\.\d+-[\w.-]+", base) for base in bases)
