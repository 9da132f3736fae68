"""Poses that no prior was trained on."""

import numpy as np
from numpy.typing import NDArray

from scripts.training.drawn_poses import draw_pose
from workers.engines.bodies.skeleton import load_skeleton


def draw_held_out_pose(rng: np.random.Generator) -> NDArray[np.float64]:
    """Joint angles (M, 3) in the joints' frames; row 0 tilts the body."""
    return draw_pose(load_skeleton(), rng)
