"""Settings of SAM 3D Body: from the environment in a worker, from arguments in tests."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workers.engines.settings import EngineSettings

Mode = Literal["body", "hands", "full"]
CHILD = "workers.engines.bodies.sam3d.child"


class Sam3dBodySettings(EngineSettings):
    """Read by workers that serve SAM 3D Body."""

    model_config = SettingsConfigDict(env_prefix="MAQUETTE_SAM3D_BODY_")

    checkpoint: Path | None = None
    """The file `model.ckpt`; `model_config.yaml` lies beside it."""
    source: Path | None = None
    """Upstream's checkout."""
    assets: Path | None = None
    """Folder of MHR's assets; by default MAQUETTE_MHR_ASSETS."""
    fov: Path | None = None
    """Checkpoint of MoGe 2, which estimates the field of view of images whose camera is unknown."""
    python: str = sys.executable
    """Interpreter of upstream's environment; by default the worker's own."""
    sha256: str | None = None
    """Pins the checkpoint; without it any checkpoint is loaded, and its hash is reported."""
    mode: Mode = Field(default="full", validation_alias="MAQUETTE_SAM3D_BODY_MODE")
    """`full` refines both hands from their own crops (slowest), `body` leaves hands to the body decoder,
    `hands` takes every box for a right hand and trusts nothing else."""
    profile: Literal["exact", "fast"] = "fast"
    """`fast` computes the backbone in the 16 bits that the checkpoint's configuration names, as upstream
    does, `exact` everything in float32 without TF32."""
    tf32: bool = False
    """Let what a GPU computes in float32 use TF32."""
    compile: Literal["off", "default", "max-autotune"] = "off"
    """Compile the backbone by `torch.compile`; the first images then take minutes."""
    lod: int = 1
    """Level of detail of all bodies, from 0 (finest) to 6."""
    load_seconds: float = 900.0
    """How long loading may take."""
    request_seconds: float = Field(default=300.0, validation_alias="MAQUETTE_SAM3D_BODY_TIMEOUT")
    """How long one image may take."""
    requests_before_recycle: int = 2000
    """After this many images the child process is replaced."""

    def precision_label(self) -> str:
        """What changes roundings against upstream's own way, for the engine's version."""
        words = [
            "exact" if self.profile == "exact" else "",
            "tf32" if self.tf32 else "",
            f"compile-{self.compile}" if self.compile != "off" else "",
        ]
        return "".join(f"/{word}" for word in words if word)
