"""Scripted motion of the MOVi-like clips: how the camera sways and where each object goes."""

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]

# objects move along parallel lanes and never touch: a lane is wider than solids.WIDEST
LANE = 0.88
FRONT, AWAY = -1.6, 5.0
VIEW_HALF_ANGLE = np.radians(24.0)
ROLLS = ("ball", "cylinder")


def plan_cameras(rng: np.random.Generator, times: Floats, moving: float) -> Floats:
    """World from camera (T, 4, 4): before the room at the height of a child's eyes, still or swaying."""
    height, sway, phase = rng.uniform(1.1, 1.8), rng.uniform(0.25, 0.5), rng.uniform(0, 2 * np.pi)
    amount = float(moving)
    at = np.stack(
        [
            amount * sway * np.sin(2 * np.pi * times + phase),
            -AWAY + amount * 0.3 * np.cos(2 * np.pi * times + phase),
            height + amount * 0.15 * np.sin(4 * np.pi * times + phase),
        ],
        axis=1,
    )
    target = np.stack([0.6 * at[:, 0], np.zeros_like(times), np.full_like(times, 0.45)], axis=1)
    ahead = target - at
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    out = np.tile(np.eye(4), (len(times), 1, 1))
    out[:, :3, :3] = np.stack([right, np.cross(ahead, right), ahead], axis=2)
    out[:, :3, 3] = at
    return out


def plan_paths(rng: np.random.Generator, times: Floats, shapes: list[tuple[str, trimesh.Trimesh]]) -> Floats:
    """World from object (T, N, 4, 4): each in a lane of its own, on the floor, some hopping."""
    count = len(shapes)
    before = int(rng.integers(count - 1))
    others = rng.permutation([lane for lane in range(count) if lane not in (before, before + 1)])
    y = FRONT + LANE * np.array([others[0], before, before + 1, *others[1:]])
    reach = (AWAY + y) * np.tan(VIEW_HALF_ANGLE)
    slots = rng.permutation(np.linspace(-0.75, 0.75, count))
    out = np.tile(np.eye(4), (len(times), count, 1, 1))
    for index, (label, mesh) in enumerate(shapes):
        start = slots[index] * reach[index]
        if index == 0:
            x = _plan_exit_and_return(rng, times, start, reach[index] + 0.8)
        elif index == 2:
            x = start + 0.15 * np.sin(2 * np.pi * times)
        elif index == 1:
            # across the line of sight to object 3, which stays about where it is
            behind = slots[2] * reach[1]
            end = np.clip(2 * behind - start, -0.9 * reach[1], 0.9 * reach[1])
            x = _interpolate(times, [0, 0.45, 1], [start, behind, end])
        else:
            stops = rng.uniform(-0.85, 0.85, 2) * reach[index]
            x = _interpolate(times, [0, rng.uniform(0.4, 0.6), 1], [start, *stops])
        hops = rng.integers(2, 5) if rng.random() < 0.3 and index not in (1, 2) else 0
        lift = 0.35 * np.abs(np.sin(np.pi * hops * times))
        turn = Rotation.from_euler("z", (rng.uniform(0, 2 * np.pi) + rng.uniform(-2.5, 2.5) * times)[:, None])
        if label in ROLLS:
            turn = _roll(label, x - x[0], mesh)
        out[:, index, :3, :3] = turn.as_matrix()
        rest = mesh.extents[0] / 2 if label in ROLLS else mesh.extents[2] / 2
        out[:, index, :3, 3] = np.stack([x, np.full_like(times, y[index]), rest + lift], axis=1)
    return out


def _plan_exit_and_return(rng: np.random.Generator, times: Floats, start: float, outside: float) -> Floats:
    """Out on the nearer side before the middle of the clip, back in some frames later."""
    side = np.sign(start) or 1.0
    back = rng.uniform(-0.5, 0.8) * start
    return _interpolate(
        times, [0, 0.12, 0.42, 0.58, 0.9, 1], [start, start, side * outside, side * outside, back, back]
    )


def _interpolate(times: Floats, knots: list[float], values: list[float]) -> Floats:
    return np.asarray(PchipInterpolator(knots, values)(times), np.float64)


def _roll(label: str, travelled: Floats, mesh: trimesh.Trimesh) -> Rotation:
    angle = travelled / (mesh.extents[0] / 2)
    roll = Rotation.from_euler("y", angle[:, None])
    # a rolling cylinder lies on its side
    return roll * Rotation.from_euler("x", 90, degrees=True) if label == "cylinder" else roll
