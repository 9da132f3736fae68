"""Recorded motions of the package pybullet, as angles of Anny's joints.

The clips are those of DeepMimic's humanoid: per frame a duration, the root's place and quaternions wxyz
of root, chest, neck, hips, ankles and shoulders, and the angles of knees and elbows. At rest its limbs
hang; it is y up, faces +x and has its right at +z. Formula: a bone of Anny is turned to where the
humanoid's hangs, then by the humanoid's global rotation in Anny's axes.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rotations import exp_map, frame, from_quaternions, log_map
from workers.engines.bodies.skeleton import Skeleton

Floats = NDArray[np.float64]
FOLDER = "pybullet_data/data/motions/"
# Held out by motion: no frame of these is ever trained on.
HELD_OUT = (
    "humanoid3d_dance_a",
    "humanoid3d_getup_facedown",
    "humanoid3d_jump",
    "humanoid3d_punch",
    "humanoid3d_run",
)
WALKERS = ("0walk_forward", "turn_left0", "turn_left1", "turn_right0", "turn_right1")
# Anny's axes (left, up, forward) from the humanoid's (forward, up, right).
AXES = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
DOWN, LEFTWARDS = np.array([0.0, -1.0, 0.0]), np.array([-1.0, 0.0, 0.0])
# First number of each quaternion, or of each angle, in a frame.
ROOT, CHEST, NECK = 4, 8, 12
LEGS = {"R": (16, 20, 21), "L": (30, 34, 35)}
ARMS = {"R": (25, 29), "L": (39, 43)}


def read_motions(wheel: Path, skeleton: Skeleton) -> dict[str, Floats]:
    """Angles (T, M, 3) of every clip in a wheel of pybullet; row 0 is the root's rotation vector."""
    motions = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            stem = Path(name).stem
            if name.startswith(FOLDER) and (stem.startswith("humanoid3d") or stem in WALKERS):
                frames = json.loads(archive.read(name))["Frames"]
                motions[stem] = retarget(np.array(frames, dtype=np.float64), skeleton)
    return motions


def retarget(frames: Floats, skeleton: Skeleton) -> Floats:
    """Angles (T, M, 3) in the joints' frames of clip frames (T, 44); row 0 is the root's rotation vector."""
    count = len(skeleton.joints)
    local = np.tile(np.eye(3), (len(frames), count, 1, 1))

    def turn(start: int) -> Floats:
        return np.asarray(AXES @ from_quaternions(frames[:, start : start + 4]) @ AXES.T)

    local[:, 0] = turn(ROOT)
    for start, names in ((CHEST, ("spine04", "spine03", "spine02")), (NECK, ("neck01", "head"))):
        share = exp_map(log_map(turn(start)) / len(names))
        for name in names:
            local[:, skeleton.index(name)] = share
    for side in ("L", "R"):
        hip, knee, ankle = LEGS[side]
        shoulder, elbow = ARMS[side]
        thigh, shin = (align_to_hanging(skeleton, f"{name}leg01_{side}") for name in ("upper", "lower"))
        arm, fore = (align_to_hanging(skeleton, f"{name}arm01_{side}") for name in ("upper", "lower"))
        bent_knee, bent_elbow = bend(frames[:, knee]), bend(frames[:, elbow])
        # Local rotations are between the aligned bones; the chest is the arms' parent, the root the legs'.
        local[:, skeleton.index(f"upperleg01_{side}")] = turn(hip) @ thigh
        local[:, skeleton.index(f"lowerleg01_{side}")] = thigh.T @ bent_knee @ shin
        local[:, skeleton.index(f"foot_{side}")] = shin.T @ turn(ankle)
        local[:, skeleton.index(f"upperarm01_{side}")] = turn(shoulder) @ arm
        local[:, skeleton.index(f"lowerarm01_{side}")] = arm.T @ bent_elbow @ fore
    angles: Floats = np.einsum("mab,tmb->tma", skeleton.frames, log_map(local))
    return angles


def bend(angles: Floats) -> Floats:
    """Rotations (T, 3, 3) about the humanoid's right, its hinge of knees and elbows, in Anny's axes."""
    return exp_map(angles[:, None] * (AXES @ np.array([0.0, 0.0, 1.0])))


def align_to_hanging(skeleton: Skeleton, joint: str) -> Floats:
    """The rotation (3, 3) that takes a bone of the rest pose to one that hangs, its hinge across the body."""
    twist, hinge = skeleton.frames[skeleton.index(joint)][:2]
    across = LEFTWARDS if "arm" in joint else -LEFTWARDS
    turned: Floats = frame(DOWN, across) @ frame(twist, hinge).T
    return turned


def mirror(angles: Floats, skeleton: Skeleton) -> Floats:
    """The mirror image of angles (..., M, 3), the root's as a rotation vector in rest axes included."""
    out: Floats = angles[..., skeleton.find_partners(), :] * np.array([-1.0, 1.0, -1.0])
    out[..., 0, :] = angles[..., 0, :] * np.array([1.0, -1.0, -1.0])
    return out
