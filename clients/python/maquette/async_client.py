"""The asynchronous client."""

from maquette._async.client import AsyncMaquette

__all__ = ["AsyncMaquette"]
