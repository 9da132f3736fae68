"""The answer to `GET /v1/engines`."""

from typing import Literal

from maquette.contract.base import ResponseModel


class Engine(ResponseModel):
    """An engine and whether it can run."""

    name: str
    kind: Literal["concepts", "objects", "bodies", "captions"]
    available: bool
    """Whether a worker can run it."""
    why_not: str | None = None
    """Why it is not available."""
    version: str | None = None
    device: str | None = None
    licence: str
    capabilities: list[str] = []
    """What it can do beyond the minimum of its kind."""
    limits: list[str] = []
    """What it cannot do, in sentences."""
    vocabulary: list[str] | None = None
    """The words that it knows; null is an open vocabulary."""
    weights: dict[str, str] = {}
    """SHA-256 of each weights file by name."""
    settings: dict[str, str | int | float | bool | None] = {}
    """How it computes, where its operator can choose: profile, precision, batch and the like."""
    missing: dict[str, str] = {}
    """What it cannot do because its worker lacks a package, and the command that installs it."""
    workers: int = 0
    """Number of workers that offer it."""


class Engines(ResponseModel):
    """All engines."""

    engines: list[Engine]
