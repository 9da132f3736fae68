"""Where a dataset job spends its time, against a plain loop over the same engine on the same frames.

    python -m bench run datasets.throughput [--frames 120] [--rounds 3] [video]

Both run in this process, in turns, on the same machine; `cpu_ratio` is what to look at, as it does not
feel what else the machine does. The plain loop decodes,
scales to the size the engine sees, and steps the tracker, clip by clip: no survey, no shards, no gates.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import psutil
import skimage.data
from PIL import Image

from media.sandbox import Sandbox
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.components import Components
from workers.datasets.images import fit_size, resize_area
from workers.datasets.local import FolderWorkspace, build_dataset, build_local_pipeline
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.datasets.source import Source, SourceFrames
from workers.datasets.stopwatch import Stopwatch
from workers.datasets.track_sources import EngineTracks
from workers.engines.protocols import VideoFrame
from workers.engines.registry import load_engines


def ride(path: Path, frames: int, size: tuple[int, int] = (960, 540)) -> Path:
    """A photo of a motorcycle that drives along."""
    source = Path(skimage.data.__file__).parent / "motorcycle_left.png"
    picture = np.asarray(Image.open(source).convert("RGB").resize(size))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * index, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def source_of(sandbox: Sandbox, path: Path) -> Source:
    """A file as a source."""
    told = sandbox.probe(path)

    def opened(first: int, count: int | None) -> SourceFrames:
        video = sandbox.frames(path, start=first, limit=count)
        return SourceFrames(video.time_base, video.frames)

    return Source(
        f"{path.stat().st_size:064x}",
        told["width"],
        told["height"],
        told["frames"],
        told["frame_rate"],
        opened,
    )


def plain(track_source: EngineTracks, source: Source, plans: list[ClipPlan]) -> tuple[float, int]:
    """Seconds and frames of the loop that anybody would write."""
    size = fit_size(source.width, source.height, TRACK_SIZE)
    begun, frames = time.perf_counter(), 0
    for plan in plans:
        tracker = track_source._engine.tracker(track_source._prompts)
        for index, frame in enumerate(source.open(plan.first, plan.last - plan.first + 1).frames):
            tracker.step(VideoFrame(index, frame.pts, resize_area(frame.pixels, size)))
            frames += 1
        tracker.finish()
    return time.perf_counter() - begun, frames


def cpu_of(sandbox: Sandbox) -> float:
    """CPU seconds of this process and of the decoder: what others do on the machine does not show in them."""
    child = sandbox._child
    assert child is not None
    return time.process_time() + sum(psutil.Process(child.pid).cpu_times()[:2])


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--text", action="append")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    engines = load_engines("default")
    settings = DatasetSettings(phrases=tuple(options.text or ["motorcycle"]), clip_seconds=5.0)
    track_source = EngineTracks(engines.concepts(), settings)
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        folder = Path(name)
        source = source_of(sandbox, options.video or ride(folder / "ride.mp4", options.frames))
        components = Components(track_source)
        pipeline = build_local_pipeline(FolderWorkspace(folder / "plan"), components, settings)
        planned = pipeline.plan([source])
        plans = [p for p, c in zip(planned.plans, planned.clips, strict=True) if c.kept]
        plain(track_source, source, plans[:1])
        ratios, stages, rates = [], Stopwatch(), []
        made = 0
        for number in range(options.rounds):
            loop, frames = plain(track_source, source, plans)
            stopwatch = Stopwatch()
            begun = time.perf_counter()
            folders = folder / f"w{number}", folder / f"d{number}"
            written = build_dataset([source], components, settings, *folders, stopwatch=stopwatch)
            took = time.perf_counter() - begun
            # once more: machines drift
            again, _ = plain(track_source, source, plans)
            ratios.append((loop + again) / 2 / took)
            rates.append((2 * frames / (loop + again), frames / took))
            made = int(written.manifest.totals["bytes"])
            for stage, seconds in stopwatch.seconds.items():
                stages.seconds[stage] += seconds / options.rounds
            stages.seconds["everything"] += took / options.rounds
        cpu = Stopwatch(time.process_time)
        busy = cpu_of(sandbox)
        plain(track_source, source, plans)
        loop_cpu, busy = cpu_of(sandbox) - busy, cpu_of(sandbox)
        build_dataset([source], components, settings, folder / "wc", folder / "dc", stopwatch=cpu)
        made_cpu, busy = cpu_of(sandbox) - busy, cpu_of(sandbox)
        plain(track_source, source, plans)
        loop_cpu = (loop_cpu + cpu_of(sandbox) - busy) / 2
        total = stages.seconds.pop("everything")
        told = {
            "frames": frames,
            "plain_frames_per_second": round(float(np.median([rate[0] for rate in rates])), 2),
            "dataset_frames_per_second": round(float(np.median([rate[1] for rate in rates])), 2),
            "cpu_ratio": round(loop_cpu / made_cpu, 3),
            "ratio": round(float(np.median(ratios)), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "engine_share": round(stages.seconds["engine"] / total, 3),
            "bytes_per_frame": round(made / frames),
            "stages_frames_per_second": {
                stage: round(frames / seconds, 1)
                for stage, seconds in sorted(stages.seconds.items(), key=lambda item: -item[1])
                if seconds > 1e-4
            },
            "stages_share": {
                stage: round(seconds / total, 4)
                for stage, seconds in sorted(stages.seconds.items(), key=lambda item: -item[1])
            },
            "cpu_seconds_per_1000_frames": {
                "plain_loop": round(1000 * loop_cpu / frames, 2),
                "dataset": round(1000 * made_cpu / frames, 2),
                **{stage: round(1000 * s / frames, 2) for stage, s in cpu.seconds.items() if s > 1e-3},
            },
            "rest_share": round(1 - sum(stages.seconds.values()) / total, 4),
        }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
