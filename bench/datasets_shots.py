"""Cuts that the survey finds against PySceneDetect's, on drawn films whose cuts are known.

python -m bench.datasets_shots        (theirs needs `pip install scenedetect-headless`)
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from media.sandbox import DecodedFrame
from workers.datasets.stages.shots import cuts
from workers.datasets.stages.survey import look, survey

Rgb = NDArray[np.uint8]
RATE, SHOT = 24, 36
NAMES = [
    "astronaut",
    "brick",
    "chelsea",
    "coffee",
    "grass",
    "motorcycle_left",
    "rocket",
    "ihc",
    "color",
    "coins",
]
WIDTH, HEIGHT = 320, 180


def picture(name: str) -> Rgb:
    """A picture that is large enough to move a window over it."""
    path = next(Path(skimage.data.__file__).parent.glob(f"{name}.*"))
    return np.asarray(Image.open(path).convert("RGB").resize((2 * WIDTH, 2 * HEIGHT)))


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


def film(seed: int, speed: float, flicker: float, dissolve: int) -> tuple[list[Rgb], list[int]]:
    """Shots in a row, hard cuts or dissolves of so many frames, and the frames at which new shots begin."""
    rng = np.random.default_rng(seed)
    frames: list[Rgb] = []
    begun = []
    for name in rng.permutation(NAMES):
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


def ours(frames: Sequence[Rgb]) -> list[int]:
    """By the survey."""
    decoded = (DecodedFrame(index, index, frame) for index, frame in enumerate(frames))
    return cuts(survey(decoded, (1, RATE)).content)


def theirs(kind: str) -> Callable[[Iterable[Rgb]], list[int]] | None:
    """By a detector of PySceneDetect, which sees what the survey looks at."""
    try:
        from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode
    except ImportError:
        return None

    def detect(frames: Iterable[Rgb]) -> list[int]:
        detector = (
            AdaptiveDetector(min_scene_len=12)
            if kind == "adaptive"
            else ContentDetector(21, min_scene_len=12)
        )
        found, last = [], FrameTimecode(0, fps=float(RATE))
        for index, frame in enumerate(frames):
            last = FrameTimecode(index, fps=float(RATE))
            found += detector.process_frame(last, cv2.cvtColor(look(frame), cv2.COLOR_RGB2BGR))
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


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=4)
    options = parser.parse_args()
    kinds = {
        "calm": (1.0, 0.0, 0),
        "fast": (12.0, 0.0, 0),
        "flickering": (2.0, 0.06, 0),
        "dissolves": (1.0, 0.0, 8),
    }
    finders = {"ours": ours, "adaptive": theirs("adaptive"), "content 21": theirs("content")}
    told: dict[str, dict[str, object]] = {}
    for name, find in finders.items():
        if find is None:
            continue
        mine: dict[str, object] = {}
        seconds, count = 0.0, 0
        for kind, (speed, flicker, dissolve) in kinds.items():
            sums = np.zeros(3, int)
            for seed in range(options.films):
                frames, truth = film(seed, speed, flicker, dissolve)
                begun = time.process_time()
                found = find(frames)
                seconds, count = seconds + time.process_time() - begun, count + len(frames)
                sums += judged(found, truth, 1 + dissolve)
            mine[kind] = dict(zip(("found", "missed", "wrong"), sums.tolist(), strict=True))
        # ours includes the rest of the survey: motion, sharpness, hashes, text
        mine["cpu_ms_a_frame"] = round(1000 * seconds / count, 3)
        told[name] = mine
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
