"""BVH: a skeleton and its motion as text.

Biovision's format as Blender, Maya and MotionBuilder read it: the root has six channels, Xposition Yposition
Zposition Zrotation Xrotation Yrotation, every other joint Zrotation Xrotation Yrotation, in degrees. The
matrix of a joint is Rz Rx Ry; its position is the parent's plus its own offset in the parent's rotated axes.
Lengths are metres and y is up. The root's OFFSET is zero and its position is in the channels, so that all
readers agree.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROTATIONS = "Zrotation Xrotation Yrotation"
# An end site extends the last bone by this share of its length, at least by this many metres.
TIP_SHARE = 0.5
MIN_TIP = 0.01


def write_bvh(
    names: Sequence[str],
    parents: NDArray[np.int64],
    rest_joints: Floats,
    rotations: Floats,
    positions: Floats,
    frame_seconds: float,
) -> bytes:
    """A BVH of J joints over T frames, joints in depth-first order.

    `parents` (J,) with -1 at the only root, before its children; `rest_joints` (J, 3) metres; `rotations`
    (T, J, 3, 3) local; `positions` (T, 3) of the root, metres. Raises ValueError without exactly one root.
    """
    if int((parents < 0).sum()) != 1 or parents[0] >= 0:
        raise ValueError("a BVH has one root, and it comes first")
    if len(rotations) < 1 or not frame_seconds > 0:
        raise ValueError("a BVH needs a frame and a positive frame time")
    children: list[list[int]] = [[] for _ in names]
    for joint, parent in enumerate(parents[1:], 1):
        children[parent].append(joint)
    offsets = rest_joints - rest_joints[parents]
    offsets[0] = 0.0
    lines: list[str] = ["HIERARCHY"]
    order: list[int] = []
    _write_joint(0, 0, names, children, offsets, lines, order)
    angles = np.degrees(zxy_angles(rotations))[:, order].reshape(len(rotations), -1)
    lines += ["MOTION", f"Frames: {len(rotations)}", f"Frame Time: {frame_seconds:.8f}"]
    table = np.concatenate([positions, angles], axis=1)
    lines += [" ".join(f"{value:.6f}" for value in row) for row in table]
    return ("\n".join(lines) + "\n").encode("ascii")


def zxy_angles(rotations: Floats) -> Floats:
    """Angles (T, ..., 3) in radians about z, x and y with R = Rz Rx Ry, without jumps along the first axis.

    From R[2, 1] = sin x, R[0, 1] = -sin z cos x, R[1, 1] = cos z cos x, R[2, 0] = -cos x sin y, R[2, 2] =
    cos x cos y. Where cos x vanishes only z +- y is defined: y is then 0.
    """
    r = rotations
    x = np.arcsin(np.clip(r[..., 2, 1], -1.0, 1.0))
    locked = np.hypot(r[..., 0, 1], r[..., 1, 1]) < 1e-7
    z = np.where(locked, np.arctan2(r[..., 1, 0], r[..., 0, 0]), np.arctan2(-r[..., 0, 1], r[..., 1, 1]))
    y = np.where(locked, 0.0, np.arctan2(-r[..., 2, 0], r[..., 2, 2]))
    out: Floats = np.unwrap(np.stack([z, x, y], axis=-1), axis=0)
    return out


def _write_joint(
    joint: int,
    depth: int,
    names: Sequence[str],
    children: list[list[int]],
    offsets: Floats,
    lines: list[str],
    order: list[int],
) -> None:
    """Append a joint and its descendants to `lines`, and their numbers to `order`."""
    pad, inner = "  " * depth, "  " * (depth + 1)
    order.append(joint)
    kind, channels = ("JOINT", f"3 {ROTATIONS}")
    if depth == 0:
        kind, channels = "ROOT", f"6 Xposition Yposition Zposition {ROTATIONS}"
    lines += [f"{pad}{kind} {names[joint]}", f"{pad}{{"]
    lines += [f"{inner}OFFSET {_format_row(offsets[joint])}", f"{inner}CHANNELS {channels}"]
    for child in children[joint]:
        _write_joint(child, depth + 1, names, children, offsets, lines, order)
    if not children[joint]:
        tip = TIP_SHARE * offsets[joint]
        if np.linalg.norm(tip) < MIN_TIP:
            tip = np.array([0.0, MIN_TIP, 0.0])
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {_format_row(tip)}", f"{inner}}}"]
    lines.append(f"{pad}}}")


def _format_row(values: Floats) -> str:
    return " ".join(f"{value:.6f}" for value in values)
