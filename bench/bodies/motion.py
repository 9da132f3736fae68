"""Smoothing of body motions on tracks with known ground truth, and what it costs.

    python -m bench run bodies.motion [--frames 150]

Noise is Gaussian on the rotation of every joint, in degrees; a share of rotations is off by about a radian;
distances are off by 3%. Errors are means against the truth: degrees of rotation, mm of the root, m/s² of the
joints' acceleration, each before and after smoothing.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from bench.report import Report
from bench.timing import Stopwatch
from tests.support.synthetic_bodies import Walk, make_walk
from workers.jobs.bodies.motion import BodyMotion, build_motion
from workers.jobs.bodies.motion_export import FILE_FROM_MOTION, write_motion_bvh, write_motion_glb
from workers.jobs.bodies.smoothing import angle_between

# frames per second, degrees of noise, share of outliers
CASES = ((30, 1, 0.0), (30, 3, 0.0), (30, 8, 0.0), (30, 3, 0.05), (30, 8, 0.1), (12, 3, 0.0), (12, 8, 0.1))
ERRORS = ("rotation °", "root mm", "acceleration m/s²")


def errors(
    motion: BodyMotion, clean: Walk, joints: NDArray[np.float64], rate: float
) -> tuple[float, float, float]:
    """Mean errors as in ERRORS against a walk without noise and its `joints` (T, J, 3)."""
    return (
        float(np.degrees(angle_between(motion.rotations, clean.rotations).mean())),
        float(np.linalg.norm(motion.positions - clean.positions, axis=1).mean() * 1e3),
        float(np.linalg.norm(np.diff(motion.joints() - joints, 2, axis=0), axis=-1).mean() * rate**2),
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=150)


def run(options: argparse.Namespace, report: Report) -> None:
    columns = {"frames/s": "", "noise °": "", "outliers": ".2f"}
    for name in ERRORS:
        columns |= {f"{name}, raw": ".1f", name: ".1f"}
    table = report.table("Smoothing", columns | {"CPU ms/frame": ".1f"})
    for rate, degrees, outliers in CASES:
        clean = make_walk(options.frames, rate)
        joints = build_motion(clean.rig, clean.estimates, clean.seconds, smoothing=False).joints()
        noisy = make_walk(options.frames, rate, noise=np.radians(degrees), lone=outliers, distance_noise=0.03)
        raw = build_motion(noisy.rig, noisy.estimates, noisy.seconds, smoothing=False)
        watch = Stopwatch()
        smooth = build_motion(noisy.rig, noisy.estimates, noisy.seconds)
        spent = 1e3 * watch.lap().cpu / options.frames
        both = [errors(motion, clean, joints, rate) for motion in (raw, smooth)]
        pairs = [value for pair in zip(*both, strict=True) for value in pair]
        table.add(rate, degrees, outliers, *pairs, spent)
    measure_files(report, smooth, options.frames)


def measure_files(report: Report, motion: BodyMotion, frames: int) -> None:
    """CPU milliseconds and kilobytes per frame of the files of a motion."""
    table = report.table("Files", {"format": "", "CPU ms/frame": ".2f", "kB/frame": ".1f"})
    watch = Stopwatch()
    glb = write_motion_glb(motion, "track", {}, FILE_FROM_MOTION["-y"])
    table.add("GLB", 1e3 * watch.lap().cpu / frames, len(glb) / frames / 1e3)
    bvh = write_motion_bvh(motion, motion.spans[0], FILE_FROM_MOTION["-y"])
    table.add("BVH", 1e3 * watch.lap().cpu / frames, len(bvh) / frames / 1e3)
