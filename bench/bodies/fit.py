"""Judges the default bodies engine: milliseconds by stage, and joint errors over landmark noise.

    python -m bench run bodies.fit [--people 100] [--image PHOTO --mask MASK.png] [--mediapipe PYTHON]

First the stages of one photo (by default the astronaut of scikit-image) on one thread, median of ten. Then
random bodies inside joint limits, projected by a known camera, with Gaussian noise on the landmarks: MPJPE
(roots laid together), PA-MPJPE (after the best similarity) and PVE (vertices, roots laid together), all in
mm. With a mask, the intersection over union of the body's silhouette with it, fitted with and without the
mask.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.support.mannequins import mannequin
from tests.support.random_bodies import draw, pa_mpjpe
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.export import body_glb
from workers.engines.bodies.fit import BodyFit
from workers.engines.bodies.kinematics import Kinematics
from workers.engines.bodies.observations import of_pose
from workers.engines.bodies.rig import Skinner, joints_of, reskin
from workers.engines.bodies.skeleton import load_skeleton
from workers.engines.bodies.start import start
from workers.engines.protocols import Box, Mask
from workers.geometry.cameras import Camera
from workers.geometry.raster import rasterize

NOISE = ((0.0, 0.0), (0.005, 0.015), (0.01, 0.03), (0.015, 0.045), (0.02, 0.06))
Rgb = NDArray[np.uint8]


def clock(call: Callable[[], object], repeats: int = 10) -> float:
    """Median CPU milliseconds of a call."""
    call()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times) * 1e3


def stages(engine: DefaultBodies, image: Rgb, box: Box) -> None:
    camera = Camera.assumed(image.shape[1], image.shape[0])
    poses, fit, skinner = engine._poses, engine._fit, engine._skinner
    region = poses.find(image, box)
    pose = poses.pose(image, box)
    seen = of_pose(pose, camera)
    fitted = fit.solve(seen)
    mask = pose.mask(camera.height, camera.width)
    rig = skinner.rig(fitted.state)
    (body,) = engine.recover(image, [box])
    table = {
        "detector": clock(lambda: poses.find(image, box)),
        "landmarks, one reading": clock(lambda: poses.read(image, region)),
        "landmarks, all readings": clock(lambda: poses.pose(image, box)),
        "start": clock(lambda: start(fit.kinematics, seen, 0.0)),
        "fit to landmarks": clock(lambda: fit.solve(seen)),
        "fit to mask": clock(lambda: engine._silhouette.refine(fitted, seen, mask)),
        "skinning": clock(lambda: reskin(rig)),
        "person, all": clock(lambda: engine.recover(image, [box])),
    }
    if body is not None:
        table["GLB"] = clock(lambda: body_glb(body), 3)
    print(f"{'stage':28}{'CPU ms':>8}")
    for name, value in table.items():
        print(f"{name:28}{value:8.1f}")


def curve(people: int, *, plain: bool) -> None:
    fit = BodyFit(Kinematics(load_skeleton()))
    skinner = Skinner(fit.kinematics)
    heads = ("image noise", "world noise", "scale", "MPJPE", "PA", "PVE", "ms", "steps")
    print("\n" + "".join(f"{head:>12}" for head in heads))
    for image, world in NOISE:
        for trust, label in ((1.0, "observed"), (0.0, "prior")):
            rng, rows = np.random.default_rng(7), []
            for _ in range(people):
                truth = draw(fit.kinematics, rng, image_noise=image, world_noise=world, plain=plain)
                began = time.process_time()
                out = fit.solve(truth.seen, height=fit.height(truth.seen, trust))
                spent = (time.process_time() - began) * 1e3
                a, b = skinner.rig(out.state), skinner.rig(truth.state)
                joints = [joints_of(rig)[1] for rig in (a, b)]
                gaps = [
                    np.linalg.norm((x - joints[0][0]) - (y - joints[1][0]), axis=1).mean() * 1e3
                    for x, y in ((out.posed.joints, truth.posed.joints), (reskin(a), reskin(b)))
                ]
                aligned = pa_mpjpe(out.posed.joints, truth.posed.joints)
                rows.append((gaps[0], aligned, gaps[1], spent, out.steps))
            mean = np.mean(rows, axis=0)
            print(f"{image:12.3f}{world * 1e3:9.0f} mm{label:>12}" + "".join(f"{x:12.1f}" for x in mean))


def overlap(engine: DefaultBodies, image: Rgb, mask: Mask) -> None:
    ys, xs = np.nonzero(mask)
    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
    for label, masks in (("with the mask", [mask]), ("without", None)):
        (body,) = engine.recover(image, [box], masks)
        if body is None:
            print(f"silhouette IoU, {label}: no body")
            continue
        covered = rasterize(body.vertices, body.rig.faces, body.camera).face >= 0
        iou = (covered & mask).sum() / (covered | mask).sum()
        print(f"silhouette IoU, {label}: {iou:.3f}, landmarks {body.reprojection_error:.1f} px RMS")


def against_mediapipe(engine: DefaultBodies, python: str) -> None:
    """People a CPU-second: landmarks alone by MediaPipe, and landmarks with a fitted body by us."""
    pictures = {f"person {seed}": mannequin(seed, turn)[0] for seed, turn in enumerate((0.0, 0.5, -0.6))}
    script = Path(__file__).parents[2] / "tests" / "parity" / "mediapipe_pose.py"
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file.name, **pictures)
        told = subprocess.run(
            [python, str(script), file.name, "10"], capture_output=True, text=True, check=True
        ).stdout
    theirs = statistics.median(s for one in json.loads(told.splitlines()[-1]) for s in one["seconds"]) * 1e3
    boxes = [(0.0, 0.0, 480.0, 640.0)]
    poses = engine._poses
    rows = {
        "MediaPipe, landmarks": theirs,
        "ours, one reading": statistics.median(
            clock(lambda p=p: poses.read(p, poses.find(p, boxes[0]))) for p in pictures.values()
        ),
        "ours, body": statistics.median(
            clock(lambda p=p: engine.recover(p, boxes)) for p in pictures.values()
        ),
    }
    print(f"\n{'':24}{'CPU ms':>8}{'people/s':>10}{'ratio':>8}")
    for name, spent in rows.items():
        print(f"{name:24}{spent:8.1f}{1e3 / spent:10.1f}{theirs / spent:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--mediapipe", help="an interpreter that has mediapipe 0.10.21")
    arguments = parser.parse_args()
    engine = DefaultBodies(threads=1)
    image, box = np.ascontiguousarray(data.astronaut()), (20.0, 0.0, 440.0, 512.0)
    if arguments.image is not None:
        image = np.asarray(Image.open(arguments.image).convert("RGB"))
        box = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    if arguments.mask is not None:
        mask = np.asarray(Image.open(arguments.mask).convert("L")) > 127
        ys, xs = np.nonzero(mask)
        box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
        overlap(engine, image, mask)
    stages(engine, image, box)
    if arguments.mediapipe:
        against_mediapipe(engine, arguments.mediapipe)
    for plain in (True, False):
        print("\n" + ("neutral adults" if plain else "any sex, from adult to child"))
        curve(arguments.people, plain=plain)


if __name__ == "__main__":
    main()
