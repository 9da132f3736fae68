"""What GET /v1/engines tells."""

from typing import Literal

from maquette.contract.base import ResponseModel


class Engine(ResponseModel):
    """An engine: `available` is false with the reason in `why_not`; a null vocabulary is open."""

    name: str
    kind: Literal["concepts", "objects", "bodies", "captions"]
    available: bool
    why_not: str | None = None
    version: str | None = None
    device: str | None = None
    licence: str
    capabilities: list[str] = []
    limits: list[str] = []
    vocabulary: list[str] | None = None
    weights: dict[str, str] = {}
    workers: int = 0


class Engines(ResponseModel):
    engines: list[Engine]
