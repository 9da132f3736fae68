"""How SAM 3D Objects is run: from the environment in a worker, from arguments in tests."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workers.engines.settings import EngineSettings

Profile = Literal["fast", "standard", "best"]
CHILD = "workers.engines.objects.sam3d.child"


class Sam3dObjectsSettings(EngineSettings):
    """Read by workers that serve SAM 3D Objects."""

    model_config = SettingsConfigDict(env_prefix="MAQUETTE_SAM3D_OBJECTS_")

    config: Path | None = None
    """Upstream's `pipeline.yaml`, which lies beside its checkpoints."""
    source: Path | None = None
    """Upstream's checkout."""
    python: str = sys.executable
    """Interpreter of upstream's environment; by default the worker's own."""
    profile: Profile = Field(default="standard", validation_alias="MAQUETTE_SAM3D_OBJECTS_PROFILE")
    """`fast` uses the distilled generators, `standard` upstream's defaults, `best` also optimises the pose
    and keeps the result only where the outline fits better."""
    load_seconds: float = 1800.0
    """How long loading may take."""
    request_seconds: float = Field(default=300.0, validation_alias="MAQUETTE_SAM3D_OBJECTS_TIMEOUT")
    """How long one object may take."""
    requests_before_recycle: int = 500
    """After this many objects the child process is replaced."""
