"""What a whole dataset will take, from a probe of a few of its videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

PROBE_VIDEOS = 3
PROBE_CLIPS = 4
# stages that go over all video, and hold no GPU
CHEAP = frozenset({"fetch", "survey"})


@dataclass(frozen=True, slots=True)
class Plan:
    """An estimate. Hours are of workers like the one that probed; bytes are of the shards.

    `gpu_hours` are those of workers with a GPU, and among `worker_hours`. `prices` are the operator's, in
    dollars for an hour of a worker without and with a GPU; None is unknown.
    """

    video_hours: float
    kept_hours: float
    worker_hours: float
    bytes: float
    stages: dict[str, float]
    gpu_hours: float = 0.0
    prices: tuple[float | None, float | None] = (None, None)

    def hours(self, workers: int) -> float:
        """Wall hours with so many workers."""
        return self.worker_hours / workers

    def cost(self, price: float | None = None) -> float | None:
        """What it costs at one price for an hour of any worker, or at the operator's; None is unknown."""
        if price is not None:
            return self.worker_hours * price
        cost, kinds = 0.0, (self.worker_hours - self.gpu_hours, self.gpu_hours)
        for hours, known in zip(kinds, self.prices, strict=True):
            if hours > 0:
                if known is None:
                    return None
                cost += hours * known
        return cost


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
    prices = timing.get("prices") or {}
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
        sum(hours for name, hours in stages.items() if name not in CHEAP) if timing.get("on_gpu") else 0.0,
        (prices.get("cpu_hour"), prices.get("gpu_hour")),
    )
