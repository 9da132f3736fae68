"""Estimate what a complete dataset costs, from a trial run on a few of its videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

# Enough for a rough mean at the price of minutes; chosen, not measured.
TRIAL_VIDEOS = 3
TRIAL_CLIPS = 4
# Stages that run over all of a video, not only over its kept clips.
WHOLE_VIDEO_STAGES = frozenset({"fetch", "survey"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """Expected hours, bytes and dollars.

    Hours are hours of workers like those of the trial; `gpu_hours` is the part of `worker_hours` on workers
    with a GPU. `bytes` is the size of the shards. The prices are the operator's, in
    dollars per hour of a worker without or with a GPU; None is unknown.
    """

    video_hours: float
    kept_hours: float
    worker_hours: float
    gpu_hours: float
    bytes: float
    hours_by_stage: dict[str, float]
    cpu_hour_price: float | None = None
    gpu_hour_price: float | None = None

    def wall_hours(self, workers: int) -> float:
        """Return the wall-clock hours with this many workers."""
        return self.worker_hours / workers

    def cost(self, price: float | None = None) -> float | None:
        """Return dollars, at `price` per hour of any worker or at the operator's prices; None is unknown."""
        if price is not None:
            return self.worker_hours * price
        total = 0.0
        for hours, known_price in (
            (self.worker_hours - self.gpu_hours, self.cpu_hour_price),
            (self.gpu_hours, self.gpu_hour_price),
        ):
            if hours > 0:
                if known_price is None:
                    return None
                total += hours * known_price
        return total


def choose_trial_videos(files: Sequence[T], count: int = TRIAL_VIDEOS) -> list[T]:
    """Return `count` of the files, evenly spread."""
    if len(files) <= count:
        return list(files)
    return [files[index * len(files) // count] for index in range(count)]


def estimate_cost(timing: Mapping[str, Any], trial_bytes: int, all_bytes: int) -> CostEstimate:
    """Scale the `timing.json` of a trial run by bytes of video.

    The survey runs over all video, the other stages over the clips that pass the cheap gates. Raises
    ValueError for a trial without any clip.
    """
    surveyed, passed, done = (float(timing[f"{name}_seconds"]) for name in ("video", "passed", "done"))
    if surveyed <= 0 or trial_bytes <= 0:
        raise ValueError("no video of the trial has a known length: nothing can be estimated")
    if done <= 0:
        raise ValueError("no clip of the trial passed the cheap gates: try other videos, or change the gates")
    scale = all_bytes / trial_bytes
    clip_scale = scale * passed / done

    def to_hours(seconds: Mapping[str, float]) -> dict[str, float]:
        return {
            stage: value * (scale if stage in WHOLE_VIDEO_STAGES else clip_scale) / 3600
            for stage, value in seconds.items()
        }

    hours_by_stage = to_hours(timing["stages"])
    prices = timing.get("prices") or {}
    return CostEstimate(
        video_hours=surveyed * scale / 3600,
        kept_hours=passed * scale / 3600,
        worker_hours=sum(hours_by_stage.values()),
        gpu_hours=sum(to_hours(timing.get("gpu_stages") or {}).values()),
        bytes=float(timing["done_bytes"]) * clip_scale,
        hours_by_stage=hours_by_stage,
        cpu_hour_price=prices.get("cpu_hour"),
        gpu_hour_price=prices.get("gpu_hour"),
    )
