"""Settings that engines of several kinds share; each engine's own are in its `settings.py`."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

MODELS_VARIABLE = "MAQUETTE_MODELS_DIR"
GSPLAT_PYTHON_VARIABLE = "MAQUETTE_GSPLAT_PYTHON"
SHIPPED_MODELS = Path(__file__).resolve().parents[2] / "models"


class EngineSettings(BaseSettings):
    """Base of one engine's settings: the environment in a worker, arguments in tests and benches."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class SharedEngineSettings(BaseSettings):
    """Read by workers, for engines of all kinds."""

    model_config = SettingsConfigDict(
        env_prefix="MAQUETTE_",
        env_file=None,
        env_ignore_empty=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    models_dir: Path = SHIPPED_MODELS
    """Folder of the weights; by default `models/` of the checkout, in images `/models`."""
    require_gpu: bool = False
    """Start only with a GPU that the engines can use, else end with exit status 1; set in the GPU images.
    Without it, `auto` means the CPU where no GPU is seen."""
    gsplat_python: str | None = None
    """Interpreter of an environment with torch and gsplat, in which a child process renders Gaussians."""
