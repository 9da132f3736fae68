"""Environment variables are read by settings classes, and docs/reference/settings.md lists them all."""

import re
import subprocess

import pytest

from scripts.settings_reference import PAGE, write_page
from service.settings import ServiceSettings
from tests.support.paths import REPOSITORY
from workers.settings import WorkerSettings

# the process environment as a whole, and the SDK's settings, which do without pydantic-settings
ALLOWED = {"storage/environment.py", "clients/python/maquette/settings.py"}
READS = re.compile(r"\bos\.(environ|getenv|putenv)\b|\bfrom os import\b")


def test_nothing_but_settings_reads_the_environment() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "service", "storage", "media", "workers", "clients/python/maquette"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [name for name in listed.stdout.splitlines() if name.endswith(".py")]
    assert len(files) > 300
    readers = {name for name in files if READS.search((REPOSITORY / name).read_text(encoding="utf-8"))}
    assert readers <= ALLOWED


def test_the_reference_lists_every_setting() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(), "run: python -m scripts.settings_reference"


@pytest.mark.parametrize("settings", [ServiceSettings, WorkerSettings])
def test_every_setting_says_what_it_means(settings: type[ServiceSettings] | type[WorkerSettings]) -> None:
    missing = [name for name, field in settings.model_fields.items() if not field.description]
    assert missing == ["sam3", "sam3_meta", "sam3d_objects", "sam3d_body"] * (settings is WorkerSettings)


def test_engines_are_built_with_the_worker_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAQUETTE_WORKER_ENGINES", "sam3d_body")
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_LOD", "3")
    assert WorkerSettings().engine_options()["settings"].lod == 3
    monkeypatch.setenv("MAQUETTE_WORKER_ENGINES", "default")
    assert WorkerSettings().engine_options() == {}
