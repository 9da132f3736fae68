"""Handles to video sessions, for annotations; the client creates them."""

import warnings
from typing import Any

from maquette._async.sessions import AsyncVideoSession
from maquette._sync.sessions import VideoSession
from maquette.results import PromptResult

__all__ = ["AsyncVideoSession", "PromptResult", "VideoSession"]


def __getattr__(name: str) -> Any:
    if name == "Prompted":
        message = "maquette.sessions.Prompted is now PromptResult"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return PromptResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
