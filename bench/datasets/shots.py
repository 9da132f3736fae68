"""Cuts and dissolves of the survey against PySceneDetect's, on synthetic videos with known cuts.

python -m bench run datasets.shots [--photos others]    (theirs needs `pip install scenedetect-headless`)
"""

import argparse
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.datasets.shot_videos import HAPPENINGS, HEIGHT, OTHERS, TUNED, WIDTH, dissolving, load_photo, uncut
from bench.report import Report
from bench.timing import Stopwatch
from media.sandbox import DecodedFrame
from workers.datasets.shots.cuts import find_cuts, find_transitions
from workers.datasets.shots.survey import Survey, downscale, survey_frames

Rgb = NDArray[np.uint8]
Finder = Callable[[Sequence[Rgb]], list[int]]
RATE, SHOT = 24, 36
KINDS = {
    "calm": (1.0, 0.0, 0),
    "fast": (12.0, 0.0, 0),
    "flickering": (2.0, 0.06, 0),
    "dissolves": (1.0, 0.0, 8),
}
LENGTHS, SPEEDS = (8, 12, 24, 48), (0.0, 1.0, 2.0)
UNCUT = 4


def make_shot(image: Rgb, rng: np.random.Generator, speed: float, flicker: float) -> list[Rgb]:
    """A window that moves over a photo by `speed` pixels per frame, with flickering light."""
    angle = rng.uniform(0, 2 * np.pi)
    frames = []
    for index in range(SHOT):
        x = WIDTH / 2 + np.cos(angle) * speed * (index - SHOT / 2)
        y = HEIGHT / 2 + np.sin(angle) * speed * (index - SHOT / 2)
        x, y = int(np.clip(x, 0, WIDTH - 1)), int(np.clip(y, 0, HEIGHT - 1))
        light = 1 + flicker * rng.normal()
        window = image[y : y + HEIGHT, x : x + WIDTH].astype(np.float64) * light
        frames.append(np.clip(window, 0, 255).astype(np.uint8))
    return frames


def make_video(
    seed: int, names: Sequence[str], speed: float, flicker: float, dissolve: int
) -> tuple[list[Rgb], list[int]]:
    """Shots in a row with hard cuts, or dissolves of so many frames, and the first frames of new shots.

    In a dissolve the new shot stands still.
    """
    rng = np.random.default_rng(seed)
    frames: list[Rgb] = []
    starts = []
    for name in rng.permutation(list(names)):
        new = make_shot(load_photo(str(name)), rng, speed, flicker)
        if frames:
            for step in range(dissolve):
                share = (step + 1) / (dissolve + 1)
                frames[step - dissolve] = np.asarray(
                    cv2.addWeighted(frames[step - dissolve], 1 - share, new[0], share, 0)
                )
            starts.append(len(frames) - dissolve // 2)
        frames += new
    return frames, starts


def run_survey(frames: Sequence[Rgb]) -> Survey:
    """The survey of a video."""
    return survey_frames((DecodedFrame(index, index, frame) for index, frame in enumerate(frames)), (1, RATE))


def ours(frames: Sequence[Rgb]) -> list[int]:
    """Cuts by the survey, and the middles of dissolves."""
    return [round((before + after + 1) / 2) for before, after in find_transitions(run_survey(frames))]


def sudden_cuts(frames: Sequence[Rgb]) -> list[int]:
    """Cuts by the survey, without dissolves."""
    return find_cuts(run_survey(frames).content)


def load_scenedetect(kind: str) -> Finder | None:
    """A detector of PySceneDetect on the images that the survey sees; None where it is not installed."""
    try:
        from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode
    except ImportError:
        return None

    def detect(frames: Sequence[Rgb]) -> list[int]:
        detector = (
            AdaptiveDetector(min_scene_len=12)
            if kind == "adaptive"
            else ContentDetector(21, min_scene_len=12)
        )
        cuts, last = [], FrameTimecode(0, fps=float(RATE))
        for index, frame in enumerate(frames):
            last = FrameTimecode(index, fps=float(RATE))
            cuts += detector.process_frame(last, cv2.cvtColor(downscale(frame), cv2.COLOR_RGB2BGR))
        return [cut.frame_num for cut in cuts + detector.post_process(last)]

    return detect


def count_cuts(predicted: Sequence[int], truth: Sequence[int], within: int) -> tuple[int, int, int]:
    """The numbers of true cuts that were found, of those that were missed, and of wrong ones."""
    left = list(predicted)
    hits = 0
    for cut in truth:
        near = [item for item in left if abs(item - cut) <= within]
        if near:
            hits += 1
            left.remove(near[0])
    return hits, len(truth) - hits, len(left)


def measure_finder(report: Report, name: str, find: Finder, names: Sequence[str], videos: int) -> None:
    """Count found, missed and wrong cuts over the videos of each kind."""
    counts: dict[str, NDArray[np.int_]] = {}
    seconds, frames = 0.0, 0

    def add(kind: str, images: Sequence[Rgb], truth: Sequence[int], within: int) -> None:
        nonlocal seconds, frames
        watch = Stopwatch()
        cuts_found = find(images)
        seconds, frames = seconds + watch.lap().cpu, frames + len(images)
        counts[kind] = counts.get(kind, np.zeros(3, int)) + count_cuts(cuts_found, truth, within)

    for seed in range(videos):
        for kind, (speed, flicker, dissolve) in KINDS.items():
            add(kind, *make_video(seed, names, speed, flicker, dissolve), 1 + dissolve)
        for length in LENGTHS:
            for speed in SPEEDS:
                images, middles = dissolving(seed, names, length, speed)
                add(f"dissolves of {length} frames, pans of {speed:.0f}", images, middles, length // 2 + 3)
    for kind in HAPPENINGS:
        for seed in range(UNCUT):
            add(f"no cut: {kind}", uncut(kind, seed, names), [], 0)
    table = report.table(name, {"videos": "", "found": "", "missed": "", "wrong": ""})
    for kind, row in counts.items():
        table.add(kind, *row.tolist())
    # ours includes the rest of the survey: motion, sharpness, hashes, text
    report.add({f"{name}: CPU ms per frame": round(1e3 * seconds / frames, 3)})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=int, default=4, help="of each kind")
    parser.add_argument("--photos", choices=("tuned", "others"), default="tuned")


def run(options: argparse.Namespace, report: Report) -> None:
    names = TUNED if options.photos == "tuned" else OTHERS
    finders: dict[str, Finder | None] = {
        "ours": ours,
        "ours without dissolves": sudden_cuts,
        "adaptive": load_scenedetect("adaptive"),
        "content 21": load_scenedetect("content"),
    }
    for name, find in finders.items():
        if find is None:
            report.note(f"{name}: PySceneDetect is not installed")
        else:
            measure_finder(report, name, find, names, options.videos)
