"""Where a dataset job spends its time, against a plain loop over the same engine on the same frames.

    python -m bench run datasets.throughput [--frames 120] [--rounds 3] [video]

Both run in this process, in turns. On a machine with other work, compare `cpu_ratio` only. The plain loop
decodes, scales to the size that the engine sees, and steps the tracker, clip by clip: no survey, no shards,
no gates.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.datasets.video_sources import open_source, write_ride
from bench.report import Report
from media.sandbox import Sandbox
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.components import Components
from workers.datasets.images import fit_size, resize_area
from workers.datasets.local import FolderWorkspace, build_dataset, build_local_pipeline
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.datasets.source import Source
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.track_sources import EngineTracks
from workers.engines.protocols import VideoFrame
from workers.engines.registry import load_engines


@dataclass(kw_only=True)
class Comparison:
    """A source, the plans of its clips, and what both ways need."""

    source: Source
    plans: list[ClipPlan]
    settings: DatasetSettings
    track_source: EngineTracks
    sandbox: Sandbox
    folder: Path
    datasets: int = field(default=0)

    def run_loop(self) -> tuple[float, int]:
        """Seconds and frames of the plain loop."""
        size = fit_size(self.source.width, self.source.height, TRACK_SIZE)
        start, frames = time.perf_counter(), 0
        for plan in self.plans:
            tracker = self.track_source._engine.tracker(self.track_source._prompts)
            for index, frame in enumerate(self.source.open(plan.first, plan.last - plan.first + 1).frames):
                tracker.step(VideoFrame(index, frame.pts, resize_area(frame.pixels, size)))
                frames += 1
            tracker.finish()
        return time.perf_counter() - start, frames

    def run_dataset(self, stopwatch: Stopwatch) -> tuple[float, int]:
        """Seconds and bytes of the dataset; its stages are timed by the stopwatch."""
        self.datasets += 1
        folders = self.folder / f"work{self.datasets}", self.folder / f"dataset{self.datasets}"
        start = time.perf_counter()
        written = build_dataset(
            [self.source], Components(self.track_source), self.settings, *folders, stopwatch=stopwatch
        )
        return time.perf_counter() - start, int(written.manifest.totals["bytes"])

    def cpu_seconds(self) -> float:
        """CPU seconds of this process and of the decoder so far."""
        child = self.sandbox._child
        assert child is not None
        return time.process_time() + sum(psutil.Process(child.pid).cpu_times()[:2])


def compare_wall(comparison: Comparison, rounds: int) -> dict[str, Any]:
    """Frames per second on the wall, and the share of each stage."""
    ratios, rates, stages = [], [], Stopwatch()
    size = total = frames = 0
    for _ in range(rounds):
        before, frames = comparison.run_loop()
        stopwatch = Stopwatch()
        seconds, size = comparison.run_dataset(stopwatch)
        # once more, for the speed of a machine drifts
        after, _ = comparison.run_loop()
        ratios.append((before + after) / 2 / seconds)
        rates.append((2 * frames / (before + after), frames / seconds))
        for stage, spent in stopwatch.seconds.items():
            stages.seconds[stage] += spent / rounds
        total += seconds / rounds
    loop_rate, dataset_rate = np.median(rates, axis=0)
    slowest_first = sorted(stages.seconds.items(), key=lambda item: -item[1])
    return {
        "frames": frames,
        "plain_frames_per_second": round(float(loop_rate), 2),
        "dataset_frames_per_second": round(float(dataset_rate), 2),
        "ratio": round(float(np.median(ratios)), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "engine_share": round(stages.seconds["engine"] / total, 3),
        "bytes_per_frame": round(size / frames),
        "stages_frames_per_second": {
            stage: round(frames / spent, 1) for stage, spent in slowest_first if spent > 1e-4
        },
        "stages_share": {stage: round(spent / total, 4) for stage, spent in slowest_first},
        "rest_share": round(1 - sum(stages.seconds.values()) / total, 4),
    }


def compare_cpu(comparison: Comparison) -> dict[str, Any]:
    """CPU seconds of a dataset, between two runs of the loop."""
    stages = Stopwatch(time.process_time)
    marks = [comparison.cpu_seconds()]
    _, frames = comparison.run_loop()
    marks.append(comparison.cpu_seconds())
    comparison.run_dataset(stages)
    marks.append(comparison.cpu_seconds())
    comparison.run_loop()
    marks.append(comparison.cpu_seconds())
    before, dataset, after = np.diff(marks)
    loop = (before + after) / 2
    return {
        "cpu_ratio": round(loop / dataset, 3),
        "cpu_seconds_per_1000_frames": {
            "plain_loop": round(1000 * loop / frames, 2),
            "dataset": round(1000 * dataset / frames, 2),
            **{stage: round(1000 * s / frames, 2) for stage, s in stages.seconds.items() if s > 1e-3},
        },
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", nargs="?", type=Path, help="by default a photo that moves sideways")
    parser.add_argument("--text", action="append", help="phrases; default: motorcycle")
    parser.add_argument("--frames", type=int, default=120, help="of the default video")
    parser.add_argument("--rounds", type=int, default=3)


def run(options: argparse.Namespace, report: Report) -> None:
    settings = DatasetSettings(phrases=tuple(options.text or ["motorcycle"]), clip_seconds=5.0)
    track_source = EngineTracks(load_engines("default").concepts(), settings)
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        source = open_source(sandbox, options.video or write_ride(folder / "ride.mp4", options.frames))
        pipeline = build_local_pipeline(FolderWorkspace(folder / "plan"), Components(track_source), settings)
        planned = pipeline.plan([source])
        plans = [plan for plan, clip in zip(planned.plans, planned.clips, strict=True) if clip.kept]
        comparison = Comparison(
            source=source,
            plans=plans[:1],
            settings=settings,
            track_source=track_source,
            sandbox=sandbox,
            folder=folder,
        )
        # not counted: what is loaded with the first frames
        comparison.run_loop()
        comparison.plans = plans
        report.add(compare_wall(comparison, options.rounds))
        report.add(compare_cpu(comparison))
