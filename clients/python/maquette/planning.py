"""What a whole dataset will take, from a probe of a few of its videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

PROBE_VIDEOS = 3
PROBE_CLIPS = 4
CHEAP = frozenset({"survey"})


@dataclass(frozen=True, slots=True)
class Plan:
    """An estimate. Hours are of wall time on one worker like the one that probed; bytes are of the shards."""

    video_hours: float
    kept_hours: float
    worker_hours: float
    bytes: float
    stages: dict[str, float]

    def hours(self, workers: int) -> float:
        """Wall hours with so many workers, each with videos of its own."""
        return self.worker_hours / workers

    def cost(self, price: float) -> float:
        """What it costs at a price for an hour of a worker."""
        return self.worker_hours * price


def probed(files: Sequence[T], count: int = PROBE_VIDEOS) -> list[T]:
    """A few of the files, evenly spread."""
    if len(files) <= count:
        return list(files)
    return [files[index * len(files) // count] for index in range(count)]


def plan(timing: Mapping[str, Any], probe_bytes: int, all_bytes: int) -> Plan:
    """Scale a probe's `timing.json` up by bytes of video; raises ValueError for a probe without a clip.

    The survey goes over all video, everything else over the clips that pass the cheap gates.
    """
    surveyed, passed, done = (float(timing[f"{name}_seconds"]) for name in ("video", "passed", "done"))
    if surveyed <= 0 or probe_bytes <= 0:
        raise ValueError("the probe saw no video of known length: nothing can be estimated")
    if done <= 0:
        raise ValueError(
            "no clip of the probe passed the cheap gates: probe other videos, or change the gates"
        )
    scale = all_bytes / probe_bytes
    per_clip = scale * passed / done
    stages = {
        name: seconds * (scale if name in CHEAP else per_clip) / 3600
        for name, seconds in timing["stages"].items()
    }
    return Plan(
        surveyed * scale / 3600,
        passed * scale / 3600,
        sum(stages.values()),
        float(timing["done_bytes"]) * per_clip,
        stages,
    )
