"""The joints that a fit may turn: their frames, their relaxed angles and their ranges.

Angles are components of a joint's rotation vector in its own frame, in degrees: `twist` about the bone,
`hinge` about the axis that bends it (elbow, knee), `side` perpendicular to both. The right side mirrors the
left: mirroring at the plane x = 0 keeps the hinge component and negates twist and side. The ranges follow
clinical range-of-motion tables (AAOS, "Joint Motion", 1965), widened by the bend of the rest pose.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.anny import AnnyModel, RestBody, load_anny
from workers.engines.bodies.rotations import frame

Floats = NDArray[np.float64]
Triple = tuple[float, float, float]
UP: Triple = (0.0, 1.0, 0.0)
LEFT: Triple = (1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class JointRange:
    """How one joint moves; `end` is the joint at the bone's far end, None for an upright bone."""

    joint: str
    end: str | None
    spread: Triple
    low: Triple
    high: Triple
    relaxed: Triple = (0.0, 0.0, 0.0)


CENTRE = (
    JointRange("spine04", None, (6, 9, 6), (-15, -25, -15), (15, 35, 15)),
    JointRange("spine03", None, (6, 9, 6), (-15, -25, -15), (15, 35, 15)),
    JointRange("spine02", None, (7, 9, 6), (-20, -25, -15), (20, 35, 15)),
    JointRange("neck01", None, (14, 12, 10), (-45, -35, -30), (45, 35, 30)),
    JointRange("head", None, (14, 12, 10), (-45, -35, -30), (45, 35, 30)),
)
LEFT_SIDE = (
    JointRange("clavicle", "shoulder01", (4, 7, 7), (-10, -20, -25), (10, 20, 25)),
    JointRange("upperarm01", "lowerarm01", (35, 50, 50), (-80, -130, -130), (80, 130, 130), (0, 5, 24)),
    JointRange("lowerarm01", "wrist", (6, 45, 5), (-10, -42, -10), (10, 105, 10), (0, -12, 0)),
    JointRange("lowerarm02", "wrist", (30, 2, 2), (-85, -5, -5), (85, 5, 5)),
    JointRange("wrist", "finger3_1", (4, 22, 14), (-8, -70, -30), (8, 75, 30)),
    JointRange("upperleg01", "lowerleg01", (18, 40, 22), (-50, -125, -55), (50, 35, 55)),
    JointRange("lowerleg01", "foot", (5, 45, 3), (-12, -4, -6), (12, 145, 6), (0, 4, 0)),
    JointRange("foot", "toe2_1", (8, 18, 10), (-20, -35, -25), (20, 45, 25)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """M fitted joints in parent-first order; the first is the root.

    `joints` (M,) indexes the model's joints and `parents` (M,) this list; `frames` (M, 3, 3) rows twist,
    hinge, side; `spread`, `low`, `high`, `relaxed` (M, 3) radians in those frames, rows of the root unused;
    `riders` (33,) the fitted joint that carries each landmark; `nearest` (J,) the one each joint of the model
    moves with; `above` (M, M) true where column is row or its ancestor.
    """

    model: AnnyModel
    joints: NDArray[np.int64]
    parents: NDArray[np.int64]
    frames: Floats
    spread: Floats
    low: Floats
    high: Floats
    relaxed: Floats
    riders: NDArray[np.int64]
    nearest: NDArray[np.int64]
    above: NDArray[np.bool_]

    def index(self, name: str) -> int:
        """The index of a joint in the list of fitted joints."""
        return int(np.flatnonzero(self.joints == self.model.joint_names.index(name))[0])

    def compact(self, rest: RestBody) -> tuple[Floats, Floats]:
        """Offsets (M, 3) of fitted joints from their parents, and (33, 3) of landmarks from their riders."""
        places = rest.joints[self.joints]
        offsets = places - places[self.parents]
        offsets[0] = 0.0
        return offsets, rest.landmarks - places[self.riders]

    def find_partners(self) -> list[int]:
        """For each fitted joint the one of the other side, itself where it has no side."""
        names = [self.model.joint_names[j] for j in self.joints]
        swapped = {"L": "R", "R": "L"}
        return [
            names.index(name[:-1] + swapped[name[-1]]) if name[-2:] in ("_L", "_R") else m
            for m, name in enumerate(names)
        ]

    def relaxed_rotations(self) -> Floats:
        """Rotation vectors (M, 3) of the relaxed pose in rest axes."""
        vectors: Floats = np.einsum("mab,ma->mb", self.frames, self.relaxed)
        return vectors


def find_hinge_axis(joints: dict[str, Floats], joint: str, side: str) -> Floats:
    """The axis that bends a joint: across the bent arm, else left-right."""
    if joint in ("upperarm01", "lowerarm01", "lowerarm02"):
        upper = joints[f"lowerarm01_{side}"] - joints[f"upperarm01_{side}"]
        lower = joints[f"wrist_{side}"] - joints[f"lowerarm01_{side}"]
        return np.cross(upper, lower)
    if joint == "wrist":
        # The palm bends about the line across the knuckles.
        across = joints[f"finger2_1_{side}"] - joints[f"finger5_1_{side}"]
        return across if side == "L" else across * -1.0
    return np.array(LEFT)


def joint_frame(joint_range: JointRange, joints: dict[str, Floats], side: str | None) -> Floats:
    """Rows twist, hinge, side (3, 3) of a joint at rest."""
    if side is None or joint_range.end is None:
        return frame(np.array(UP), np.array(LEFT)).T
    bone = joints[f"{joint_range.end}_{side}"] - joints[f"{joint_range.joint}_{side}"]
    return frame(bone, find_hinge_axis(joints, joint_range.joint, side)).T


@lru_cache(maxsize=1)
def load_skeleton() -> Skeleton:
    """The fitted skeleton of the shipped model."""
    model = load_anny()
    places = dict(zip(model.joint_names, model.base.joints, strict=True))
    rows: list[tuple[str, JointRange, str | None]] = [
        (joint_range.joint, joint_range, None) for joint_range in CENTRE
    ]
    for side in ("L", "R"):
        rows += [(f"{joint_range.joint}_{side}", joint_range, side) for joint_range in LEFT_SIDE]
    rows.sort(key=lambda row: model.joint_names.index(row[0]))
    joints = np.array([0, *(model.joint_names.index(name) for name, _, _ in rows)], dtype=np.int64)
    free = np.array([np.inf] * 3)
    table = {"spread": [free], "low": [-free], "high": [free], "relaxed": [np.zeros(3)]}
    frames = [np.eye(3)]
    for _, joint_range, row_side in rows:
        mirror = np.array([-1.0, 1.0, -1.0]) if row_side == "R" else np.ones(3)
        low, high = np.radians(joint_range.low) * mirror, np.radians(joint_range.high) * mirror
        table["spread"].append(np.radians(joint_range.spread))
        table["low"].append(np.minimum(low, high))
        table["high"].append(np.maximum(low, high))
        table["relaxed"].append(np.radians(joint_range.relaxed) * mirror)
        frames.append(joint_frame(joint_range, places, row_side))
    nearest = _nearest(model, joints)
    parents = np.array([0, *(nearest[model.parents[j]] for j in joints[1:])], dtype=np.int64)
    above = np.eye(len(joints), dtype=np.bool_)
    for m in range(1, len(joints)):
        above[m] |= above[parents[m]]
    return Skeleton(
        model=model,
        joints=joints,
        parents=parents,
        frames=np.stack(frames),
        riders=nearest[model.landmark_joints],
        nearest=nearest,
        above=above,
        **{name: np.stack(values) for name, values in table.items()},
    )


def _nearest(model: AnnyModel, joints: NDArray[np.int64]) -> NDArray[np.int64]:
    """For every joint of the model (J,), the fitted joint it moves with."""
    place = {int(joint): m for m, joint in enumerate(joints)}
    out = np.zeros(len(model.parents), dtype=np.int64)
    for j, p in enumerate(model.parents):
        out[j] = place[j] if j in place else (out[p] if p >= 0 else 0)
    return out
