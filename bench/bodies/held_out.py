"""Poses that no prior was trained on: frames of held-out motions, and looser poses drawn by rule.

`held_out_motions.npz` is written by `scripts/training/train_pose_prior.py`: every fourth frame of the clips
that it holds out, retargeted from PyPI pybullet 3.2.7 (zlib licence).
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.training.drawn_poses import draw_pose
from scripts.training.motions import mirror
from workers.engines.bodies.skeleton import load_skeleton

Floats = NDArray[np.float64]
FILE = Path(__file__).parent / "held_out_motions.npz"
# Share of people in a recorded motion, and how much looser than the prior's the drawn poses are.
MOVING, LOOSENESS = 0.35, 0.30


@lru_cache(maxsize=1)
def load_held_out_motions() -> dict[str, Floats]:
    """Angles (T, M, 3) of each held-out clip."""
    with np.load(FILE, allow_pickle=False) as data:
        return {name: data[name].astype(np.float64) for name in data.files}


def draw_held_out_pose(rng: np.random.Generator) -> tuple[Floats, str]:
    """Joint angles (M, 3) in the joints' frames, row 0 tilting the body, and where they are from."""
    skeleton = load_skeleton()
    if rng.random() >= MOVING:
        return draw_pose(skeleton, rng, looseness=LOOSENESS), "drawn"
    motions = load_held_out_motions()
    clip = motions[sorted(motions)[int(rng.integers(len(motions)))]]
    angles = clip[int(rng.integers(len(clip)))]
    return (mirror(angles, skeleton) if rng.random() < 0.5 else angles), "motion"
