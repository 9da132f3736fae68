"""docs/reference/settings.md from the settings classes: `python -m scripts.settings_reference`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from service.settings import ServiceSettings
from storage.settings import StorageSettings
from workers.engines.bodies.mhr.settings import MhrSettings
from workers.engines.bodies.sam3d.settings import Sam3dBodySettings
from workers.engines.concepts.sam3.settings import MetaSettings, Sam3Settings
from workers.engines.objects.sam3d.settings import Sam3dObjectsSettings
from workers.engines.settings import SharedEngineSettings
from workers.pipeline.settings import PipelineSettings
from workers.settings import WorkerSettings

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/settings.md"
# defaults that differ between machines
COMPUTED = {
    "python": "the worker's interpreter",
    "worker_id": "host name and process id",
    "models_dir": "`models/`",
}
HEAD = """# Settings

Every setting is an environment variable. This page is made from the settings classes: `python -m
scripts.settings_reference`. An empty default means that the setting is unset.
"""
TAIL = """
## SDK, command line, libraries

| variable | default | meaning |
|---|---|---|
| `MAQUETTE_URL` | `http://127.0.0.1:8700` | the server that clients talk to |
| `MAQUETTE_API_KEY` | | the key that clients send |
| `OPENBLAS_NUM_THREADS` | 1 | threads of small solves in workers; more are slower on a busy machine |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_DEFAULT_REGION` | | credentials of S3, read by boto3 |
| `HF_TOKEN` | | token of the Hugging Face account that accepted SAM 3's licence |
"""
TABLE = "| variable | default | meaning |\n|---|---|---|\n"
SECTIONS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("Gateway and workers", StorageSettings),
    ("Gateway", ServiceSettings),
    ("Workers", WorkerSettings),
    ("Jobs that share batches", PipelineSettings),
    ("Engines", SharedEngineSettings),
    ("SAM 3", Sam3Settings),
    ("SAM 3 with Meta's package", MetaSettings),
    ("SAM 3D Objects", Sam3dObjectsSettings),
    ("SAM 3D Body", Sam3dBodySettings),
    ("MHR", MhrSettings),
)


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable of a settings class."""

    name: str
    field: str
    default: Any
    meaning: str


def list_variables(settings: type[BaseSettings]) -> Iterator[Variable]:
    """The variables that a settings class reads, inherited ones included; nested classes are left out."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings):
            continue
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices)
        variable = alias if isinstance(alias, str) else f"{prefix}{name}".upper()
        yield Variable(variable, name, field.default, " ".join((field.description or "").split()))


def write_page() -> str:
    """The text of docs/reference/settings.md."""
    parts = [HEAD]
    shown: set[str] = set()
    for title, settings in SECTIONS:
        parts.append(f"\n## {title}\n\n{settings.__doc__}\n\n{TABLE}")
        for variable in list_variables(settings):
            if variable.name in shown:
                continue
            shown.add(variable.name)
            parts.append(f"| `{variable.name}` | {_format_default(variable)} | {variable.meaning} |\n")
    return "".join(parts) + TAIL


def _format_default(variable: Variable) -> str:
    if variable.field in COMPUTED:
        return COMPUTED[variable.field]
    value = variable.default
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value >= 1 << 20:
        return f"{value} ({value >> 20} MiB)" if value < 1 << 30 else f"{value} ({value >> 30} GiB)"
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else f"{value:.0f}"
    return str(value) if isinstance(value, int) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(write_page())
