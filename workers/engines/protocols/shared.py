"""What the protocols of all kinds of engine share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from maquette.contract import Problem
from numpy.typing import NDArray

from workers.geometry.boxes import Box as Box
from workers.geometry.boxes import Mask as Mask

Rgb = NDArray[np.uint8]
# column-major run lengths (N,) of a mask, zeros first, as COCO's RLE counts them
Runs = NDArray[np.int64]
EngineKind = Literal["concepts", "objects", "bodies", "captions"]
ScaleSource = Literal["metric", "prior", "relative"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What `GET /v1/engines` reports of an engine that is loaded in a worker."""

    name: str
    kind: EngineKind
    version: str
    device: str
    licence: str
    capabilities: tuple[str, ...]
    limits: tuple[str, ...]
    vocabulary: tuple[str, ...] | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    # how it computes: profile, precision, batch and the like, by name
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class RequestRefused(ValueError):
    """A request that an engine can never answer; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem
