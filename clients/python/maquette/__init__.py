"""Maquette: find every object a phrase, box or click names, and lift each one to 3D."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from maquette.async_client import AsyncMaquette
    from maquette.client import Maquette
    from maquette.errors import (
        ApiError,
        Conflict,
        ConnectionFailed,
        Forbidden,
        Gone,
        InvalidRequest,
        JobCancelled,
        JobFailed,
        LimitReached,
        MaquetteError,
        NotFound,
        ServiceError,
        StorageFull,
        Unauthorized,
        WaitTimeout,
    )
    from maquette.handles import AsyncJob, Job

__all__ = [
    "ApiError",
    "AsyncJob",
    "AsyncMaquette",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "Gone",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobFailed",
    "LimitReached",
    "Maquette",
    "MaquetteError",
    "NotFound",
    "ServiceError",
    "StorageFull",
    "Unauthorized",
    "WaitTimeout",
]

# names come from these modules when they are first used: the command line's help needs none of them
_MODULES = {
    "AsyncMaquette": "async_client",
    "Maquette": "client",
    "AsyncJob": "handles",
    "Job": "handles",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        globals()[name] = version("maquette")
        return globals()[name]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
    globals()[name] = getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
