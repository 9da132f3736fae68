"""Settings are documented, docs/reference/settings.md lists them all, and engines are built with them."""

import pytest

from scripts.settings_reference import PAGE, write_page
from service.settings import ServiceSettings
from workers.settings import WorkerSettings


def test_the_reference_lists_every_setting() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(), "run: python -m scripts.settings_reference"


@pytest.mark.parametrize("settings", [ServiceSettings, WorkerSettings])
def test_every_setting_says_what_it_means(settings: type[ServiceSettings] | type[WorkerSettings]) -> None:
    missing = [name for name, field in settings.model_fields.items() if not field.description]
    assert missing == ["pipeline", "sam3", "sam3_meta", "sam3d_objects", "sam3d_body"] * (
        settings is WorkerSettings
    )


@pytest.mark.slow
def test_engines_are_built_with_the_worker_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAQUETTE_WORKER_ENGINES", "sam3d_body")
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_LOD", "3")
    assert WorkerSettings().engine_options()["settings"].lod == 3
    monkeypatch.setenv("MAQUETTE_WORKER_ENGINES", "default")
    assert WorkerSettings().engine_options() == {}
