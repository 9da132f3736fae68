"""The default tracker on rendered clips: quality against exact masks and ids, and speed.

    python -m bench run concepts.tracking [--clips 20] [--first 0] [--skip quality|speed]

Quality: prompts are the boxes of the first frame; every other clip has a moving camera. HOTA needs
TrackEval (pip install trackeval). Speed, at 640 x 360: the tracker against detection and MobileSAM on every
frame, in turns in one run. The clips for quality have 12 frames per second, like MOVi's; the one for speed
moves as things do at 30 frames per second.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench.concepts.tracking_scores import follow, score
from bench.report import Report
from bench.timing import Stopwatch
from scripts.drawn_scenes.clips import render_clip
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.concepts.images.mask_decoding import build_prompt
from workers.engines.concepts.images.mobilesam import MobileSam
from workers.engines.concepts.images.picodet import PicoDet
from workers.engines.protocols import TrackPrompts, VideoFrame, VisualPrompt
from workers.geometry.boxes import bounding_box

# frames per turn of the tracker, and of the other, whose cost is the same on every frame
TURN, SAMPLE = 12, 3
THREADS = 2
SPEED_SEED = 50


def measure_quality(report: Report, engine: DefaultConcepts, seeds: range, frames: int) -> None:
    """Scores of every clip, and their means."""
    columns = {"clip": "", "objects": "", "camera": ""}
    columns |= {"mean IoU": ".3f", "IDF1": ".3f", "MOTA": ".3f", "HOTA": ".3f", "switches": ""}
    table = report.table("Quality", columns)
    rows = []
    for seed in seeds:
        clip = render_clip(seed, frames=frames, moving_camera=seed % 2 == 1)
        scores = score(clip, follow(engine, clip))
        hota = np.nan if scores.hota is None else scores.hota
        rows.append((scores.iou, scores.idf1, scores.mota, hota))
        camera = "moves" if seed % 2 else "stands still"
        table.add(seed, len(clip.labels), camera, *rows[-1], scores.switches)
    means = np.mean(rows, axis=0).tolist()
    table.add("mean", None, "", *means, None)
    report.add(dict(zip(("mean_iou", "idf1", "mota", "hota"), means, strict=True)))


def measure_speed(report: Report, engine: DefaultConcepts, seed: int, frames: int, objects: int) -> None:
    """Frames per second of both ways on one clip."""
    clip = render_clip(seed, frames=frames, size=(360, 640), objects=objects)
    sam, detector = MobileSam(THREADS), PicoDet(ThreadPoolExecutor(THREADS))
    boxes = [bounding_box(clip.ids[0] == number) for number in range(1, objects + 1)]
    # the phrase makes the tracker pay for detection as well
    prompts = TrackPrompts.from_visual_prompts([VisualPrompt(box=box) for box in boxes], ["person"])
    tracker = engine.tracker(prompts)
    no_points = np.zeros((0, 2), np.float64), np.zeros(0, np.int64)
    seconds = {"tracker": np.zeros(2), "every frame": np.zeros(2)}
    tracker.step(VideoFrame(0, 0, clip.frames[0]))
    for start in range(1, frames, TURN):
        turn = range(start, start + TURN)
        watch = Stopwatch()
        for index in turn:
            tracker.step(VideoFrame(index, index, clip.frames[index]))
        lap = watch.lap()
        seconds["tracker"] += lap.wall, lap.cpu
        for index in turn[:SAMPLE]:
            detector.detect(clip.frames[index])
            view = sam.encode(clip.frames[index])
            for box in boxes:
                masks, _ = sam.decode(view, build_prompt(box, *no_points))
                sam.upsample(view, masks[0])
        lap = watch.lap()
        seconds["every frame"] += lap.wall, lap.cpu
    turns = (frames - 1) // TURN
    rates = {
        "tracker": turns * TURN / seconds["tracker"],
        "every frame": turns * SAMPLE / seconds["every frame"],
    }
    rates["ratio"] = rates["tracker"] / rates["every frame"]
    table = report.table("Speed", {"what": "", "frames/s": ".2f", "frames per CPU second": ".2f"})
    for name, (wall, cpu) in rates.items():
        table.add(name, wall, cpu)
    report.add({"speed_ratio": rates["ratio"][0], "speed_ratio_cpu": rates["ratio"][1]})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first clip")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--objects", type=int, default=3, help="objects in the clip for speed")
    parser.add_argument("--skip", choices=("quality", "speed"))


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultConcepts(threads=THREADS)
    if options.skip != "speed":
        measure_speed(report, engine, SPEED_SEED, 10 * TURN + 1, options.objects)
    if options.skip != "quality":
        seeds = range(options.first, options.first + options.clips)
        measure_quality(report, engine, seeds, options.frames)
