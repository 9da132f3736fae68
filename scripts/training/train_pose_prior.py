"""Trains the prior over poses of the default bodies engine, and writes its line of the manifest.

    pip download --no-deps --only-binary :all: pybullet==3.2.7
    python -m scripts.training.train_pose_prior pybullet-3.2.7-*.whl [--seed 0] [--components 12]

A mixture of Gaussians over the direction of up in the pelvis' axes and the angles of the 21 joints below it.
Samples are recorded motions with mirrored and perturbed copies, and poses drawn by rule; the clips of
`motions.HELD_OUT` and drawn poses of another seed measure it. Frames of these clips become the bench's.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.models.manifest import file_sha256, record
from scripts.training.drawn_poses import draw_pose
from scripts.training.mixtures import Mixture, fit_mixture
from scripts.training.motions import HELD_OUT, mirror, read_motions
from workers.engines.bodies.pose_prior import to_features
from workers.engines.bodies.rotations import exp_map
from workers.engines.bodies.skeleton import Skeleton, load_skeleton

Floats = NDArray[np.float64]
OUT = Path("models/pose_prior.npz")
HELD_OUT_OUT = Path("bench/bodies/held_out_motions.npz")
# Samples drawn by rule and from motions.
DRAWN, MOVING = 10_000, 6_000
# Deviation of the copies' noise as a share of the joint's spread; more where the clips leave joints at rest.
NOISE, NOISE_AT_REST = 0.4, 0.6
# Radians by which the whole body is tilted in the copies.
TILT = 0.05
# Every n-th held-out frame goes to the bench.
BENCH_STEP = 4
SOURCE = (
    "trained by scripts/training on poses drawn by rule and on DeepMimic's motions in PyPI pybullet 3.2.7 "
    "(wheel), pybullet_data/data/motions"
)


def gather_samples(motions: list[Floats], skeleton: Skeleton, seed: int) -> Floats:
    """Features (N, 66) of drawn poses and of perturbed, mirrored frames of motions."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([draw_pose(skeleton, rng) for _ in range(DRAWN)])
    frames = np.concatenate([*motions, *(mirror(motion, skeleton) for motion in motions)])
    moving = frames[rng.integers(len(frames), size=MOVING)]
    noise = np.where(frames.std(axis=0) < 1e-6, NOISE_AT_REST, NOISE) * skeleton.spread
    noise[0] = 0.0
    moving = moving + noise * rng.normal(size=moving.shape)
    return describe(np.concatenate([drawn, moving]), rng)


def describe(angles: Floats, rng: np.random.Generator | None = None) -> Floats:
    """Features (N, 66) of angles (N, M, 3) whose row 0 is the root's rotation vector in rest axes."""
    roots = exp_map(angles[:, 0])
    if rng is not None:
        roots = roots @ exp_map(TILT * rng.normal(size=(len(angles), 3)))
    return to_features(roots.transpose(0, 2, 1)[:, :, 1], angles[:, 1:])


def measure(mixture: Mixture, features: Floats) -> float:
    """Mean log-likelihood per sample, in nats."""
    return float(mixture.log_likelihood(features).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--components", type=int, default=12)
    options = parser.parse_args()
    skeleton = load_skeleton()
    motions = read_motions(options.wheel, skeleton)
    kept = [motion for name, motion in motions.items() if name not in HELD_OUT]
    samples = gather_samples(kept, skeleton, options.seed)
    mixture = fit_mixture(samples, options.components, options.seed)
    single = fit_mixture(samples, 1, options.seed)
    rng = np.random.default_rng(options.seed + 1)
    tests = {name: describe(motions[name]) for name in HELD_OUT}
    tests["drawn"] = describe(np.stack([draw_pose(skeleton, rng) for _ in range(500)]))
    print("| held out | mixture | one Gaussian |\n|---|---|---|")
    for name, features in tests.items():
        print(f"| {name} | {measure(mixture, features):.1f} | {measure(single, features):.1f} |")
    np.savez_compressed(
        OUT,
        weights=mixture.weights.astype(np.float32),
        means=mixture.means.astype(np.float32),
        covariances=mixture.covariances.astype(np.float32),
    )
    record(
        OUT,
        source=SOURCE,
        source_sha256=file_sha256(options.wheel),
        licence="Apache-2.0; trained on motions under the zlib licence",
        script="scripts/training/train_pose_prior.py",
    )
    np.savez_compressed(
        HELD_OUT_OUT, **{name: motions[name][::BENCH_STEP].astype(np.float16) for name in HELD_OUT}
    )


if __name__ == "__main__":
    main()
