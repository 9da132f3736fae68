"""Cuts and dissolves that the survey finds against PySceneDetect's, on drawn films whose cuts are known.

python -m bench run datasets.shots [--pictures others]    (theirs needs `pip install scenedetect-headless`)
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.datasets.shot_videos import HAPPENINGS, HEIGHT, OTHERS, TUNED, WIDTH, dissolving, picture, uncut
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


def shot(image: Rgb, rng: np.random.Generator, speed: float, flicker: float) -> list[Rgb]:
    """A window that goes over a picture by `speed` pixels a frame, with light that changes."""
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


def film(
    seed: int, names: Sequence[str], speed: float, flicker: float, dissolve: int
) -> tuple[list[Rgb], list[int]]:
    """Shots in a row, hard cuts or dissolves of so many frames, and the frames at which new shots begin.

    In a dissolve the new shot stands still.
    """
    rng = np.random.default_rng(seed)
    frames: list[Rgb] = []
    begun = []
    for name in rng.permutation(list(names)):
        new = shot(picture(str(name)), rng, speed, flicker)
        if frames:
            for step in range(dissolve):
                share = (step + 1) / (dissolve + 1)
                frames[step - dissolve] = np.asarray(
                    cv2.addWeighted(frames[step - dissolve], 1 - share, new[0], share, 0)
                )
            begun.append(len(frames) - dissolve // 2)
        frames += new
    return frames, begun


def seen(frames: Sequence[Rgb]) -> Survey:
    """What the survey makes of a film."""
    return survey_frames((DecodedFrame(index, index, frame) for index, frame in enumerate(frames)), (1, RATE))


def ours(frames: Sequence[Rgb]) -> list[int]:
    """By the survey; of a dissolve its middle."""
    return [round((before + after + 1) / 2) for before, after in find_transitions(seen(frames))]


def sudden(frames: Sequence[Rgb]) -> list[int]:
    """By the survey without dissolves."""
    return find_cuts(seen(frames).content)


def theirs(kind: str) -> Finder | None:
    """By a detector of PySceneDetect, which sees what the survey looks at."""
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
        found, last = [], FrameTimecode(0, fps=float(RATE))
        for index, frame in enumerate(frames):
            last = FrameTimecode(index, fps=float(RATE))
            found += detector.process_frame(last, cv2.cvtColor(downscale(frame), cv2.COLOR_RGB2BGR))
        return [cut.frame_num for cut in found + detector.post_process(last)]

    return detect


def judged(found: Sequence[int], truth: Sequence[int], within: int) -> tuple[int, int, int]:
    """Cuts that are found, that are not, and that are none."""
    left = list(found)
    hits = 0
    for cut in truth:
        near = [item for item in left if abs(item - cut) <= within]
        if near:
            hits += 1
            left.remove(near[0])
    return hits, len(truth) - hits, len(left)


def told_of(find: Finder, names: Sequence[str], films: int) -> dict[str, object]:
    """Sums over the films of each kind."""
    sums: dict[str, NDArray[np.int_]] = {}
    seconds, count = 0.0, 0

    def add(kind: str, frames: Sequence[Rgb], truth: Sequence[int], within: int) -> None:
        nonlocal seconds, count
        begun = time.process_time()
        found = find(frames)
        seconds, count = seconds + time.process_time() - begun, count + len(frames)
        sums[kind] = sums.get(kind, np.zeros(3, int)) + judged(found, truth, within)

    for seed in range(films):
        for kind, (speed, flicker, dissolve) in KINDS.items():
            add(kind, *film(seed, names, speed, flicker, dissolve), 1 + dissolve)
        for length in LENGTHS:
            for speed in SPEEDS:
                made, middles = dissolving(seed, names, length, speed)
                add(f"dissolves of {length} frames, pans of {speed:.0f}", made, middles, length // 2 + 3)
    for kind in HAPPENINGS:
        for seed in range(UNCUT):
            add(f"no cut: {kind}", uncut(kind, seed, names), [], 0)
    told: dict[str, object] = {
        kind: dict(zip(("found", "missed", "wrong"), found.tolist(), strict=True))
        for kind, found in sums.items()
    }
    # ours includes the rest of the survey: motion, sharpness, hashes, text
    told["cpu_ms_a_frame"] = round(1000 * seconds / count, 3)
    return told


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=4)
    parser.add_argument("--pictures", choices=("tuned", "others"), default="tuned")
    options = parser.parse_args()
    names = TUNED if options.pictures == "tuned" else OTHERS
    finders: dict[str, Finder | None] = {
        "ours": ours,
        "ours without dissolves": sudden,
        "adaptive": theirs("adaptive"),
        "content 21": theirs("content"),
    }
    told = {name: told_of(find, names, options.films) for name, find in finders.items() if find is not None}
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
