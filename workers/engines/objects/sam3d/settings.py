"""How SAM 3D Objects is run: from the environment in a worker, from arguments in tests."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Profile = Literal["fast", "standard", "best"]
PREFIX = "MAQUETTE_SAM3D_OBJECTS_"
CHILD = "workers.engines.objects.sam3d.child"


@dataclass(frozen=True, slots=True)
class Sam3dObjectsSettings:
    """`config` is upstream's pipeline.yaml beside its checkpoints, `source` upstream's checkout.

    `profile`: "fast" uses the distilled generators, "standard" upstream's defaults, "best" optimises the pose
    after it and believes that only where the outline fits better.
    """

    config: Path | None = None
    source: Path | None = None
    python: str = sys.executable
    profile: Profile = "standard"
    load_seconds: float = 1800.0
    request_seconds: float = 300.0
    requests_before_recycle: int = 500
    child: str = CHILD

    @classmethod
    def from_env(cls) -> "Sam3dObjectsSettings":
        """MAQUETTE_SAM3D_OBJECTS_CONFIG, _SOURCE, _PYTHON, _PROFILE and _TIMEOUT.

        Raises ValueError for a profile or a number that is none.
        """

        def get(name: str) -> str | None:
            return os.environ.get(PREFIX + name) or None

        asked = get("PROFILE") or "standard"
        profiles: tuple[Profile, ...] = get_args(Profile)
        for profile in profiles:
            if profile == asked:
                break
        else:
            raise ValueError(f"{PREFIX}PROFILE is {asked!r}; it is one of {', '.join(profiles)}")
        config, source = get("CONFIG"), get("SOURCE")
        return cls(
            config=Path(config) if config else None,
            source=Path(source) if source else None,
            python=get("PYTHON") or sys.executable,
            profile=profile,
            request_seconds=float(get("TIMEOUT") or 300.0),
        )
