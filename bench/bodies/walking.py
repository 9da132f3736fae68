"""Feet that stand: drawn motions on a floor, smoothed alone and with planted feet.

    python -m bench run bodies.walking [--seconds 3] [--seeds 2] [--seed 900]

Somebody stands, walks, shuffles, runs, marches on the spot, jumps, moonwalks or glides on a floor before a
camera at rest. Noise is Gaussian on the rotation of every fitted joint, in degrees; distances are off by 3%
in each frame and by 2% for about a second. Skating is how far in cm the ball of a foot strays from its middle
place while it truly stands, the mean and the worst of all steps; of steps that slide by over 1 cm, those
whose contact is known in every frame are silent. MPJPE is in mm with the roots aligned, PA-MPJPE in mm after
the best similarity, reprojection in pixels of a picture with a focal length of 900. Also mm of the root, the
shares of feet and frames whose contact is right where it is known, and is unknown.
"""

import argparse
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.report import Report
from bench.timing import Stopwatch
from tests.support.random_bodies import mpjpe, pa_mpjpe
from tests.support.walking import (
    GLIDES,
    JUMPS,
    MARCHES,
    MOONWALKS,
    RUNS,
    SHUFFLES,
    STANDS,
    WALKS,
    Gait,
    KnownWalk,
    list_steps,
    make_known_walk,
    measure_slide,
    pose_soles,
)
from workers.jobs.bodies.ground.planted_motion import SeenMotion, find_floor, plant_motion
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.motion import BodyMotion, build_motion

Floats = NDArray[np.float64]
FOCAL = 900.0
SILENT_CM = 1.0
# radians from straight towards the camera; one who runs passes it
HEADINGS = (0.7, 1.1, 0.2, 1.57)
# what is done, frames per second, degrees of noise
CASES: tuple[tuple[str, Gait, tuple[int, ...], tuple[int, ...]], ...] = (
    ("walks", WALKS, (30,), (1, 3, 5)),
    ("walks", WALKS, (10, 15, 25, 60), (3,)),
    ("walks", WALKS, (15, 60), (5,)),
    ("stands", STANDS, (15, 30), (1, 5)),
    ("runs", RUNS, (15, 30), (1, 5)),
    ("marches", MARCHES, (15, 30), (3,)),
    ("jumps", JUMPS, (15, 30), (3,)),
    ("shuffles", SHUFFLES, (30,), (1, 3)),
    ("moonwalks", MOONWALKS, (30,), (1, 3)),
    ("glides", GLIDES, (30,), (1, 3)),
)
ERRORS = {"MPJPE": ".1f", "PA-MPJPE": ".1f", "reprojection px": ".1f", "root mm": ".0f"}


@dataclass(slots=True)
class Scores:
    """Slides in cm of all steps, smoothed and planted, and what else the columns show."""

    slides: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    silent: int = 0
    errors: list[tuple[list[float], list[float]]] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    unknown: list[float] = field(default_factory=list)
    spent: float = 0.0

    def add(self, walk: KnownWalk, smooth: BodyMotion, planted: BodyMotion) -> None:
        for slides, motion in zip(self.slides, (smooth, planted), strict=True):
            slides.extend(measure_slide(pose_soles(motion), step) for step in list_steps(walk))
        for step in list_steps(walk):
            known = np.isfinite(planted.foot_contact[step.frames, step.point // 2]).all()
            self.silent += bool(known) and measure_slide(pose_soles(planted), step) > SILENT_CM
        self.errors.append((measure_errors(smooth, walk), measure_errors(planted, walk)))
        found, known = planted.foot_contact > 0.5, np.isfinite(planted.foot_contact)
        self.right.append(float((found == walk.contacts)[known].mean()) if known.any() else float("nan"))
        self.unknown.append(float((~known).mean()))


def measure_errors(motion: BodyMotion, walk: KnownWalk) -> list[float]:
    """Mean errors as in ERRORS."""
    joints, true = motion.joints(), pose_frames(walk.rig, walk.rotations, walk.positions)[1]
    pairs = list(zip(joints, true, strict=True))
    pixels = FOCAL * (joints[..., :2] / joints[..., 2:] - true[..., :2] / true[..., 2:])
    return [
        float(np.mean([mpjpe(*pair) for pair in pairs])),
        float(np.mean([pa_mpjpe(*pair) for pair in pairs])),
        float(np.linalg.norm(pixels, axis=-1).mean()),
        float(1e3 * np.linalg.norm(motion.positions - walk.positions, axis=1).mean()),
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=900, help="the first; 900 and more are for judging alone")


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {"motion": "", "frames/s": "", "noise °": ""}
    for name in ("skating cm", "worst cm"):
        columns |= {f"{name}, smoothed": ".1f", f"{name}, planted": ".2f"}
    columns |= {"steps": "", "over 1 cm": "", "silent": ""}
    for name, style in ERRORS.items():
        columns |= {f"{name}, smoothed": style, f"{name}, planted": style}
    table = report.table("Motions", columns | {"right": ".3f", "unknown": ".3f", "CPU ms/frame": ".1f"})
    for name, gait, rates, noises in CASES:
        for rate in rates:
            for degrees in noises:
                table.add(name, rate, degrees, *measure(options, gait, rate, degrees))


def measure(options: argparse.Namespace, gait: Gait, rate: int, degrees: int) -> list[float]:
    """One row of the table."""
    scores, frames = Scores(), round(options.seconds * rate)
    for seed in range(options.seed, options.seed + options.seeds):
        walk = make_known_walk(
            frames,
            rate,
            gait=gait,
            heading=HEADINGS[-1] if gait is RUNS else HEADINGS[seed % len(HEADINGS)],
            noise=np.radians(degrees),
            distance_noise=0.03,
            drift=0.02,
            seed=seed,
        )
        smooth = build_motion(walk.rig, walk.estimates, walk.seconds)
        person = SeenMotion(smooth, np.ones((frames, 2), dtype=np.bool_))
        watch = Stopwatch()
        planted = plant_motion(person, find_floor([person], walk.ground.up), None)
        scores.spent += 1e3 * watch.lap().cpu / frames / options.seeds
        scores.add(walk, smooth, planted)
    slides = [np.array(values or [np.nan]) for values in scores.slides]
    means = np.mean(scores.errors, axis=0)
    return [
        *(float(np.mean(values)) for values in slides),
        *(float(np.max(values)) for values in slides),
        len(scores.slides[1]),
        int((slides[1] > SILENT_CM).sum()),
        scores.silent,
        *(float(value) for pair in means.T for value in pair),
        float(np.mean(scores.right)),
        float(np.mean(scores.unknown)),
        scores.spent,
    ]
