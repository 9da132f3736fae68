"""The default bodies engine: milliseconds per stage, and joint errors over landmark noise.

    python -m bench run bodies.fit [--people 100] [--image PHOTO --mask MASK.png] [--mediapipe PYTHON]

First the stages on one photo (by default the astronaut of scikit-image) on one thread, median of ten. Then
random bodies inside joint limits, projected by a known camera, with Gaussian noise on the landmarks: MPJPE
(roots aligned), PA-MPJPE (after the best similarity) and PVE (vertices, roots aligned), all in mm. With a
mask, also the IoU of the fitted body's silhouette with it, fitted with and without the mask.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from bench.report import Report
from bench.timing import Stopwatch, median, time_calls
from tests.support.mannequins import render_mannequin
from tests.support.paths import REPOSITORY
from tests.support.random_bodies import draw_body, pa_mpjpe
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.export import write_body_glb
from workers.engines.bodies.fit import BodyFitter, FitPrior
from workers.engines.bodies.hypotheses import resolve_depth
from workers.engines.bodies.initial_state import estimate_initial_state
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import observe_pose
from workers.engines.bodies.rig import Skinner, pose_rig, skin_rig
from workers.engines.bodies.silhouette import SilhouetteFitter
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.protocols import Box, Mask
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize
from workers.geometry.overlap import mask_iou

# noise of image landmarks as a share of the person's height in the image, of world landmarks in metres
NOISE = ((0.0, 0.0), (0.005, 0.015), (0.01, 0.03), (0.015, 0.045), (0.02, 0.06))
ERRORS = {"MPJPE mm": ".1f", "PA-MPJPE mm": ".1f", "PVE mm": ".1f", "CPU ms": ".1f", "steps": ".1f"}
Rgb = NDArray[np.uint8]


def cpu_ms(call: Callable[[], object], rounds: int = 10) -> float:
    """Median CPU milliseconds of a call."""
    return 1e3 * median(time_calls(call, rounds)).cpu


def measure_stages(report: Report, engine: DefaultBodies, image: Rgb, box: Box) -> None:
    """CPU milliseconds of every stage on one person."""
    camera = Camera.assumed(image.shape[1], image.shape[0])
    poses, fitter, skinner = engine._poses, engine._fitter, engine._skinner
    region = poses.find_region(image, box)
    pose = poses.estimate_pose(image, box)
    observed = observe_pose(pose, camera)
    fit = fitter.solve(observed)
    mask = pose.mask(camera.height, camera.width)
    rig = skinner.rig(fit.state)
    silhouette = SilhouetteFitter(fitter, skinner)
    person = engine._observe(image, 0, [box], None, camera)
    (body,) = engine.recover(image, [box])
    stages: dict[str, Callable[[], object]] = {
        "detector": lambda: poses.find_region(image, box),
        "landmarks, one reading": lambda: poses.read_landmarks(image, region),
        "landmarks, all readings": lambda: poses.estimate_pose(image, box),
        "start": lambda: estimate_initial_state(fitter.kinematics, observed, 0.0),
        "fit to landmarks": lambda: fitter.solve(observed),
        "limbs mirrored along depth": lambda: resolve_depth(fitter, fit, observed, FitPrior()),
        "fit to mask": lambda: silhouette.refine(fit, observed, mask),
        "all but landmarks": lambda: engine.recover_observed([person]),
        "skinning": lambda: skin_rig(rig),
        "person, all stages": lambda: engine.recover(image, [box]),
    }
    if body is not None:
        stages["GLB"] = lambda: write_body_glb(body)
    table = report.table("Stages", {"stage": "", "CPU ms": ".1f"})
    for name, call in stages.items():
        table.add(name, cpu_ms(call, 3 if name == "GLB" else 10))


def measure_errors(report: Report, people: int, *, plain: bool) -> None:
    """Mean errors of the fit per level of noise; `plain` people are neutral adults."""
    fitter = BodyFitter(Kinematics(load_skeleton()))
    skinner = Skinner(fitter.kinematics)
    title = "Errors: " + ("neutral adults" if plain else "any sex, from adult to child")
    columns = {"image noise": ".3f", "world noise mm": ".0f", "scale": "", **ERRORS}
    table = report.table(title, columns)
    for image, world in NOISE:
        for trust, scale in ((1.0, "observed"), (0.0, "prior")):
            rng = np.random.default_rng(7)
            rows = []
            for _ in range(people):
                truth = draw_body(fitter.kinematics, rng, image_noise=image, world_noise=world, plain=plain)
                watch = Stopwatch()
                fit = fitter.solve(truth.observed, prior=FitPrior(size=fitter.height(truth.observed, trust)))
                spent = 1e3 * watch.lap().cpu
                ours, true = skinner.rig(fit.state), skinner.rig(truth.state)
                roots = pose_rig(ours)[1][0], pose_rig(true)[1][0]
                mpjpe, pve = (
                    np.linalg.norm((a - roots[0]) - (b - roots[1]), axis=1).mean() * 1e3
                    for a, b in ((fit.posed.joints, truth.posed.joints), (skin_rig(ours), skin_rig(true)))
                )
                aligned = pa_mpjpe(fit.posed.joints, truth.posed.joints)
                rows.append((mpjpe, aligned, pve, spent, fit.steps))
            table.add(image, 1e3 * world, scale, *np.mean(rows, axis=0))


def measure_overlap(report: Report, engine: DefaultBodies, image: Rgb, mask: Mask) -> None:
    """IoU of the fitted silhouette with a mask, which the fit is given or not."""
    table = report.table("Silhouette", {"mask": "", "IoU": ".3f", "landmarks, RMS px": ".1f"})
    for label, masks in (("given", [mask]), ("not given", None)):
        (body,) = engine.recover(image, [_box(mask)], masks)
        if body is None:
            table.add(label, None, None)
            continue
        covered = rasterize(body.vertices, body.rig.faces, body.camera).face >= 0
        table.add(label, mask_iou(covered, mask), body.reprojection_error)


def compare_with_mediapipe(report: Report, engine: DefaultBodies, python: str) -> None:
    """People per CPU second: landmarks alone by MediaPipe, and landmarks with a fitted body by us."""
    images = {f"person {seed}": render_mannequin(seed, turn)[0] for seed, turn in enumerate((0.0, 0.5, -0.6))}
    script = REPOSITORY / "tests" / "parity" / "mediapipe_pose.py"
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file.name, **images)
        command = [python, str(script), file.name, "10"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answers = json.loads(output.splitlines()[-1])
    theirs = 1e3 * statistics.median(seconds for answer in answers for seconds in answer["seconds"])
    boxes = [(0.0, 0.0, 480.0, 640.0)]
    poses = engine._poses
    rows = {
        "MediaPipe, landmarks": theirs,
        "ours, one reading": statistics.median(
            cpu_ms(lambda p=p: poses.read_landmarks(p, poses.find_region(p, boxes[0])))
            for p in images.values()
        ),
        "ours, body": statistics.median(
            cpu_ms(lambda p=p: engine.recover(p, boxes)) for p in images.values()
        ),
    }
    table = report.table("MediaPipe", {"what": "", "CPU ms": ".1f", "people/s": ".1f", "ratio": ".2f"})
    for name, spent in rows.items():
        table.add(name, spent, 1e3 / spent, theirs / spent)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--image", type=Path, help="a photo of one person")
    parser.add_argument("--mask", type=Path, help="the mask of that person")
    parser.add_argument("--mediapipe", help="an interpreter that has mediapipe 0.10.21")


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultBodies(threads=1)
    image, box = np.ascontiguousarray(data.astronaut()), (20.0, 0.0, 440.0, 512.0)
    if options.image is not None:
        image = np.asarray(Image.open(options.image).convert("RGB"))
        box = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    if options.mask is not None:
        mask = np.asarray(Image.open(options.mask).convert("L")) > 127
        box = _box(mask)
        measure_overlap(report, engine, image, mask)
    measure_stages(report, engine, image, box)
    if options.mediapipe:
        compare_with_mediapipe(report, engine, options.mediapipe)
    for plain in (True, False):
        measure_errors(report, options.people, plain=plain)


def _box(mask: Mask) -> Box:
    ys, xs = np.nonzero(mask)
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)
