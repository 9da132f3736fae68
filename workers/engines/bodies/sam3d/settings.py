"""How SAM 3D Body is run: from the environment in a worker, from arguments in tests."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Mode = Literal["body", "hands", "full"]
PREFIX = "MAQUETTE_SAM3D_BODY_"
CHILD = "workers.engines.bodies.sam3d.child"


@dataclass(frozen=True, slots=True)
class Sam3dBodySettings:
    """`python` is the interpreter of upstream's environment and `source` upstream's checkout.

    `mode`: "full" refines both hands from crops of their own (slowest), "body" leaves hands to the body
    decoder, "hands" takes every box for a right hand and trusts nothing else. `lod` is the level of all
    bodies. `sha256` pins the checkpoint; None tells its hash and judges nothing. `assets` is the folder of
    MHR's assets. `fov` is a checkpoint of MoGe 2, which estimates the field of view of pictures whose camera
    is not known; None leaves it out.
    """

    checkpoint: Path | None = None
    source: Path | None = None
    assets: Path | None = None
    fov: Path | None = None
    python: str = sys.executable
    sha256: str | None = None
    mode: Mode = "full"
    lod: int = 1
    load_seconds: float = 900.0
    request_seconds: float = 300.0
    requests_before_recycle: int = 2000
    child: str = CHILD

    @classmethod
    def from_env(cls) -> "Sam3dBodySettings":
        """MAQUETTE_SAM3D_BODY_CHECKPOINT, _SOURCE, _FOV, _PYTHON, _SHA256, _MODE, _LOD and _TIMEOUT.

        Raises ValueError for a mode or a number that is none.
        """

        def get(name: str) -> str | None:
            return os.environ.get(PREFIX + name) or None

        mode = get("MODE") or "full"
        if mode not in get_args(Mode):
            raise ValueError(f"{PREFIX}MODE is {mode!r}; it is one of {', '.join(get_args(Mode))}")
        chosen: Mode = "body" if mode == "body" else "hands" if mode == "hands" else "full"
        checkpoint, source, fov = get("CHECKPOINT"), get("SOURCE"), get("FOV")
        return cls(
            checkpoint=Path(checkpoint) if checkpoint else None,
            source=Path(source) if source else None,
            fov=Path(fov) if fov else None,
            python=get("PYTHON") or sys.executable,
            sha256=get("SHA256"),
            mode=chosen,
            lod=int(get("LOD") or 1),
            request_seconds=float(get("TIMEOUT") or 300.0),
        )
