"""What a small trial run reports to the client, which scales it to all videos."""

from collections.abc import Mapping
from typing import Any

from workers.datasets.budget import GATE
from workers.datasets.budget_limits import Prices
from workers.datasets.pipeline import PipelineResult
from workers.datasets.schema import ClipRow
from workers.datasets.version import DatasetVersion


def build_timing(
    result: PipelineResult,
    written: DatasetVersion,
    seconds: Mapping[str, float],
    gpu_seconds: Mapping[str, float],
    prices: Prices,
) -> dict[str, Any]:
    """Seconds per stage, and what they were spent on: seconds of video, seconds and frames of clips.

    `gpu_seconds` are those of stages that ran on workers with a GPU, and are part of `seconds`.
    """
    clips = result.plan.clips
    rejected = {row.clip for row in result.plan.decisions if not row.passed and row.gate != GATE}
    totals = written.manifest.totals
    return {
        "stages": dict(sorted(seconds.items())),
        "gpu_stages": dict(sorted(gpu_seconds.items())),
        "prices": prices.as_json(),
        "video_seconds": result.plan.seconds,
        "passed_seconds": sum(_measure_length(row) for row in clips if row.clip not in rejected),
        "done_seconds": sum(_measure_length(row) for row in clips if row.kept),
        "done_frames": totals["frames"],
        "done_bytes": totals["bytes"],
        "done_tracks": totals["tracks"],
    }


def _measure_length(row: ClipRow) -> float:
    """Seconds to the end of the last frame: a clip of n frames lasts n intervals."""
    return row.frames / row.frame_rate if row.frame_rate else 0.0
