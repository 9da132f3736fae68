"""Refuses options of a request that the engine does not have."""

from workers.engines.protocols import EngineInfo
from workers.errors import JobProblem


def require_capability(info: EngineInfo, capability: str, option: str) -> None:
    """Raise JobProblem (`<capability>_unsupported`, 422) where an engine does not list a capability."""
    if capability not in info.capabilities:
        raise JobProblem(
            f"{capability}_unsupported",
            f"engine {info.name!r} has no {option!r}: engines that list the capability {capability!r} do",
        )
