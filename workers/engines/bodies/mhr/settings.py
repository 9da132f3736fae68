"""Settings of MHR's assets: their folder and their address."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

ASSETS_VARIABLE, URL_VARIABLE = "MAQUETTE_MHR_ASSETS", "MAQUETTE_MHR_URL"


class MhrSettings(BaseSettings):
    """Read by workers that serve SAM 3D Body, and by `maquette-server models pull mhr`."""

    model_config = SettingsConfigDict(
        env_prefix="MAQUETTE_MHR_", env_ignore_empty=True, extra="ignore", use_attribute_docstrings=True
    )

    assets: Path | None = None
    """Folder of MHR's assets."""
    url: str | None = None
    """Another address, or a local zip, for `models pull mhr`."""
