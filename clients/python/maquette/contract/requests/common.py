"""What several kinds of job share."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel
from maquette.contract.geometry import RigidMotion
from maquette.contract.prompts import Boxes, Phrases, PointGroups, Threshold
from maquette.contract.requests.engine_options import EngineOption
from maquette.contract.requests.regions import Misfit, Region, find_misfit, list_regions

EngineName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
JobId = Annotated[str, Field(pattern=r"^job_[0-9a-f]{28}$")]
Direction = Literal["forward", "backward", "both"]
CameraPoses = Annotated[list[RigidMotion], Field(min_length=1, max_length=100_000)]
FrameLimit = Annotated[int, Field(ge=1, le=1_000_000)]


class JobBase(RequestModel):
    """What every job may set."""

    engine: EngineName = "auto"
    """Engine to run, or auto for the best one available."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of every random choice."""
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    """Longest time the job may run, in seconds."""

    def phrases(self) -> list[str]:
        """Return the phrases that the concept engine must know."""
        return []

    def engine_options(self) -> Iterator[EngineOption]:
        """Yield what the job asks for that only engines with a capability can answer."""
        yield from ()

    def skips_engines(self) -> bool:
        """Return whether the job calls no engine, whatever its kind: any worker can run it."""
        return False

    def regions(self) -> Iterator[Region]:
        """Yield the boxes, points and masks that refer to the job's own image or video."""
        yield from ()

    def find_misfit(self, width: int, height: int) -> Misfit | None:
        """Return why a region does not fit an image of that size; None when all fit."""
        return find_misfit(self.regions(), width, height)

    def find_unstartable(self) -> Misfit | None:
        """Return the first prompt that can never start its object, and why; None when all can."""
        return None


class PromptedJob(JobBase):
    """Prompts: a phrase names every instance; a box or a list of points names one object."""

    text: Phrases = []
    """Phrases, also several in one string, joined by commas; each names every instance of a concept."""
    boxes: Boxes = []
    """Boxes in pixels; each names one object."""
    points: PointGroups = []
    """Lists of points in pixels; each list names one object."""
    threshold: Threshold | None = None
    """Lowest score of an instance that a phrase finds; null takes the engine's."""
    thresholds: Annotated[list[Threshold | None], Field(max_length=64)] = []
    """One threshold per phrase; null takes `threshold`."""

    @model_validator(mode="after")
    def _check_thresholds(self) -> "PromptedJob":
        if self.thresholds and len(self.thresholds) != len(self.text):
            raise ValueError("'thresholds' needs one value (or null) for each phrase of 'text'")
        return self

    def phrases(self) -> list[str]:
        """Return `text`."""
        return self.text

    def regions(self) -> Iterator[Region]:
        """Yield the boxes, then the lists of points."""
        yield from list_regions("boxes", self.boxes)
        yield from list_regions("points", self.points)

    def resolve_thresholds(self) -> list[float | None]:
        """Return one value per phrase: its own, else `threshold`, else None for the engine's."""
        own = self.thresholds or [None] * len(self.text)
        return [self.threshold if value is None else value for value in own]
