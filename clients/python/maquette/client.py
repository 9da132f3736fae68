"""The blocking client."""

from maquette._sync.client import Maquette

__all__ = ["Maquette"]
