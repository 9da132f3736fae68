"""Fits SMPL-X parameters to one posed body: joints first, then nearest points of the surface."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.smplx.model import BETAS, BODY_JOINTS, JOINTS, SmplxModel

Floats = NDArray[np.float64]
# SMPL-X's joint for each of Unity's names; spines differ too much between rigs to be used as points
UNITY = {
    "Hips": "pelvis",
    "LeftUpperLeg": "left_hip",
    "RightUpperLeg": "right_hip",
    "LeftLowerLeg": "left_knee",
    "RightLowerLeg": "right_knee",
    "LeftFoot": "left_ankle",
    "RightFoot": "right_ankle",
    "Neck": "neck",
    "Head": "head",
    "LeftUpperArm": "left_shoulder",
    "RightUpperArm": "right_shoulder",
    "LeftLowerArm": "left_elbow",
    "RightLowerArm": "right_elbow",
    "LeftHand": "left_wrist",
    "RightHand": "right_wrist",
}
# Deviations in metres, and the distance at which a nearest point loses weight. Chosen, not measured.
JOINT_METRES, SURFACE_METRES, SURFACE_REACH = 0.02, 0.01, 0.05
# Deviations of joint angles in radians and of betas (SMPL-X's are of unit variance).
ANGLE_SPREAD, BETA_SPREAD = 0.6, 1.0
# Sampled vertices, and rounds of nearest points.
POINTS, ROUNDS = 400, 4


@dataclass(frozen=True, slots=True, eq=False)
class SmplxBody:
    """Parameters in the camera's axes (OpenCV) and how well they fit the body.

    `body_pose` (21, 3) and `global_orient` (3,) are rotation vectors, `transl` (3,) and `betas` (10,) as the
    model's own code takes them. `surface_error` is the mean distance in metres from the model's vertices to
    the body's surface, hands and face left out.
    """

    betas: Floats
    global_orient: Floats
    body_pose: Floats
    transl: Floats
    vertices: Floats
    surface_error: float
    joint_error: float

    def arrays(self) -> dict[str, Floats]:
        """As an NPZ file holds them, under the names of the `smplx` package."""
        return {
            "betas": self.betas,
            "global_orient": self.global_orient,
            "body_pose": self.body_pose,
            "transl": self.transl,
            "surface_error_m": np.array(self.surface_error),
            "joint_error_m": np.array(self.joint_error),
        }


def fit_smplx(model: SmplxModel, vertices: Floats, joints: Floats, joint_names: list[str]) -> SmplxBody:
    """SMPL-X for a posed body: vertices (V, 3) and joints (J, 3) in metres in the camera's frame.

    Raises ValueError for a rig whose joints have no known names.
    """
    places = _find_targets(joints, joint_names)
    chosen = _sample_vertices(model)
    part, near = model.subset(chosen), cKDTree(vertices)
    indices = np.array([JOINTS.index(name) for name in places])
    wanted = np.array(list(places.values()))
    solution = _align_torso(model, indices, wanted)
    surface: Floats | None = None
    distance = np.zeros(len(chosen))
    for _ in range(ROUNDS):
        solution = _solve(part, solution, indices, wanted, surface)
        nearest = near.query(part.pose(*_split(solution))[0])
        distance, surface = np.asarray(nearest[0]), vertices[nearest[1]]
    betas, rotations, translation = _split(solution)
    vertices_fit, joints_fit = model.pose(betas, rotations, translation)
    body = part.weights[:, :BODY_JOINTS].sum(axis=1) > 0.9
    return SmplxBody(
        betas,
        rotations[0],
        rotations[1:],
        translation,
        vertices_fit,
        float(distance[body].mean()),
        float(np.linalg.norm(joints_fit[indices] - wanted, axis=1).mean()),
    )


def _find_targets(joints: Floats, joint_names: list[str]) -> Mapping[str, Floats]:
    named = map_humanoid_joints(joint_names)
    places = {
        UNITY[names["unity"]]: joints[joint_names.index(joint)]
        for joint, names in named.items()
        if names["unity"] in UNITY
    }
    if len(places) < len(UNITY):
        raise ValueError("the rig's joints have no known names: SMPL-X cannot be fitted to it")
    return places


def _sample_vertices(model: SmplxModel) -> NDArray[np.int64]:
    """Vertices that body joints carry, evenly among all: hands and face have joints that stay at rest."""
    carried = np.flatnonzero(model.weights[:, :BODY_JOINTS].sum(axis=1) > 0.9)
    picked: NDArray[np.int64] = carried[
        np.linspace(0, len(carried) - 1, min(POINTS, len(carried))).astype(int)
    ]
    return picked


def _align_torso(model: SmplxModel, indices: NDArray[np.int64], wanted: Floats) -> Floats:
    """The rest pose turned and moved onto the torso."""
    rest = model.joint_template
    torso = [
        k for k, joint in enumerate(indices) if JOINTS[joint] in ("pelvis", "left_hip", "right_hip", "neck")
    ]
    a, b = rest[indices[torso]], wanted[torso]
    turn, _ = Rotation.align_vectors(b - b.mean(axis=0), a - a.mean(axis=0))
    solution = np.zeros(BETAS + 3 * BODY_JOINTS + 3)
    solution[BETAS : BETAS + 3] = turn.as_rotvec()
    # the model turns about its own pelvis
    solution[-3:] = b.mean(axis=0) - turn.apply(a.mean(axis=0) - rest[0]) - rest[0]
    return solution


def _split(solution: Floats) -> tuple[Floats, Floats, Floats]:
    return solution[:BETAS], solution[BETAS:-3].reshape(BODY_JOINTS, 3), solution[-3:]


def _solve(
    part: SmplxModel,
    initial: Floats,
    indices: NDArray[np.int64],
    wanted: Floats,
    surface: Floats | None,
) -> Floats:
    def residual(solution: Floats) -> Floats:
        vertices, joints = part.pose(*_split(solution))
        # once the surface is known, joints of another anatomy are only a hint
        trust = 1.0 if surface is None else 0.3
        parts = [
            trust * (joints[indices] - wanted).ravel() / JOINT_METRES,
            solution[:BETAS] / BETA_SPREAD,
            solution[BETAS + 3 : -3] / ANGLE_SPREAD * 0.3,
        ]
        if surface is not None:
            gap = np.linalg.norm(vertices - surface, axis=1)
            # a far nearest point is the wrong one
            weight = 1.0 / (1.0 + (gap / SURFACE_REACH) ** 2)
            parts.append(
                ((vertices - surface) * weight[:, None]).ravel() / SURFACE_METRES / np.sqrt(len(gap) / 60)
            )
        return np.concatenate(parts)

    best: Floats = least_squares(residual, initial, method="trf", max_nfev=8).x
    return best
