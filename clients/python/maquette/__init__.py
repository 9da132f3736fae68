"""Maquette: find every object a phrase, box or click names, and lift each one to 3D."""

from maquette.async_client import AsyncMaquette
from maquette.client import Maquette
from maquette.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    MaquetteError,
    NotFound,
    ServiceError,
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
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Maquette",
    "MaquetteError",
    "NotFound",
    "ServiceError",
    "Unauthorized",
    "WaitTimeout",
]
