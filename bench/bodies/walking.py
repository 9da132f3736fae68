"""Feet that stand: drawn walks on a floor, smoothed alone and with planted feet.

    python -m bench run bodies.walking [--frames 90] [--seeds 3]

Somebody walks or stands on a floor before a camera at rest; heels come off the floor before each step. Noise
is Gaussian on the rotation of every fitted joint, in degrees; distances are off by 3% in each frame and by 2%
for about a second. Skating is how far in cm the ball of a foot strays from its middle place while it truly
stands, the mean and the worst of all steps. F1 is that of contacts per foot and frame. Also degrees of hips
and knees, and mm of the root.
"""

import argparse

import numpy as np

from bench.report import Report
from bench.timing import Stopwatch
from tests.support.walking import KnownWalk, make_known_walk, measure_skating
from workers.jobs.bodies.ground.legs import find_legs, find_soles
from workers.jobs.bodies.ground.planted_motion import SeenMotion, find_floor, plant_motion
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.motion import BodyMotion, build_motion
from workers.jobs.bodies.smoothing import angle_between

# what is done, frames per second, metres per second, radians from straight towards the camera, degrees of
# noise
CASES = (
    ("walks", 30, 1.1, 0.7, 1.0),
    ("walks", 30, 1.1, 0.7, 3.0),
    ("walks", 30, 1.1, 0.7, 5.0),
    ("walks across", 30, 1.1, 1.57, 3.0),
    ("walks slowly", 30, 0.6, 0.7, 3.0),
    ("walks", 15, 1.1, 0.7, 3.0),
    ("stands", 30, 0.0, 0.7, 3.0),
)
ERRORS = {"skating cm": ".2f", "worst cm": ".2f", "leg °": ".1f", "root mm": ".0f"}


def measure(motion: BodyMotion, walk: KnownWalk) -> tuple[list[float], float, float]:
    """Skating in cm of every step, degrees of hips and knees, mm of the root."""
    legs = find_legs(motion.rig)
    assert legs is not None
    soles = find_soles(legs, *pose_frames(motion.rig, motion.rotations, motion.positions))
    joints = [joint for leg in legs for joint in (leg.hip, leg.knee)]
    off = angle_between(motion.rotations[:, joints], walk.rotations[:, joints])
    roots = np.linalg.norm(motion.positions - walk.positions, axis=1)
    return measure_skating(soles, walk).tolist(), float(np.degrees(off.mean())), float(1e3 * roots.mean())


def score_contacts(motion: BodyMotion, walk: KnownWalk) -> float:
    """F1 of contacts per foot and frame."""
    found = motion.foot_contact > 0.5
    return float(2 * (found & walk.contacts).sum() / (found.sum() + walk.contacts.sum()))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--seeds", type=int, default=3)


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {"motion": "", "frames/s": "", "noise °": ".0f"}
    for name, style in ERRORS.items():
        columns |= {f"{name}, smoothed": style, f"{name}, planted": style}
    table = report.table("Walks", columns | {"F1": ".3f", "CPU ms/frame": ".2f"})
    for name, rate, speed, heading, degrees in CASES:
        rows, scores, spent = [], [], 0.0
        skating: tuple[list[float], list[float]] = ([], [])
        for seed in range(options.seeds):
            walk = make_known_walk(
                options.frames,
                rate,
                speed=speed,
                heading=heading,
                noise=np.radians(degrees),
                distance_noise=0.03,
                drift=0.02,
                seed=seed,
            )
            smooth = build_motion(walk.rig, walk.estimates, walk.seconds)
            person = SeenMotion(smooth, np.ones((options.frames, 2), dtype=np.bool_))
            watch = Stopwatch()
            planted = plant_motion(person, find_floor([person], walk.ground.up), None)
            spent += 1e3 * watch.lap().cpu / options.frames / options.seeds
            row = []
            for place, motion in enumerate((smooth, planted)):
                slides, leg, root = measure(motion, walk)
                skating[place].extend(slides)
                row.append((leg, root))
            rows.append(row)
            scores.append(score_contacts(planted, walk))
        mean = np.mean(rows, axis=0)
        values = [
            value
            for pair in (
                [float(np.mean(slides)) for slides in skating],
                [float(np.max(slides)) for slides in skating],
                mean[:, 0].tolist(),
                mean[:, 1].tolist(),
            )
            for value in pair
        ]
        table.add(name, rate, degrees, *values, float(np.mean(scores)), spent)
