"""What a probe tells a planner."""

from collections.abc import Mapping
from typing import Any

from workers.datasets.budget import GATE
from workers.datasets.budget_limits import Prices
from workers.datasets.pipeline import PipelineResult
from workers.datasets.version import DatasetVersion


def build_timing(
    built: PipelineResult,
    written: DatasetVersion,
    seconds: Mapping[str, float],
    gpu_seconds: Mapping[str, float],
    prices: Prices,
) -> dict[str, Any]:
    """Seconds by stage, and what they were spent on: seconds of video, seconds and frames of clips.

    `gpu_seconds` are those of stages that held a GPU, and among `seconds`.
    """
    clips = built.planned.clips
    passed = {row.clip for row in clips}
    passed -= {r.clip for r in built.planned.decisions if not r.passed and r.gate != GATE}
    totals = written.manifest.totals
    return {
        "stages": dict(sorted(seconds.items())),
        "gpu_stages": dict(sorted(gpu_seconds.items())),
        "prices": prices.as_json(),
        "video_seconds": built.planned.seconds,
        "passed_seconds": sum(_length(row) for row in clips if row.clip in passed),
        "done_seconds": sum(_length(row) for row in clips if row.kept),
        "done_frames": totals["frames"],
        "done_bytes": totals["bytes"],
        "done_tracks": totals["tracks"],
    }


def _length(row: Any) -> float:
    """A clip of n frames lasts n beats, one more than from its first frame to its last."""
    return float(row.frames / row.frame_rate) if row.frame_rate else 0.0
