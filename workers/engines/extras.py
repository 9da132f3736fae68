"""What jobs can ask for only where an optional package is installed; workers report what they lack.

The gateway refuses such requests before they are queued, by the names below.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from workers.engines.protocols import EngineKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalFeature:
    """A feature, the kind of engine that it belongs to, the module that it needs, and the extra with it."""

    name: str
    kind: EngineKind
    module: str
    extra: str


FEATURES = (
    OptionalFeature(name="usdz", kind="objects", module="pxr", extra="usd"),
    OptionalFeature(name="camera_estimation", kind="objects", module="pycolmap", extra="cameras"),
)


def find_missing(kind: str) -> Mapping[str, str]:
    """Return the command that installs each feature that this worker lacks, by the feature's name."""
    return {
        feature.name: f"pip install 'maquette-server[{feature.extra}]'"
        for feature in FEATURES
        if feature.kind == kind and find_spec(feature.module) is None
    }
