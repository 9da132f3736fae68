"""From the state of a fit to the complete rig, and to chosen vertices for the silhouette."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workers.engines.bodies.anny import AnnyModel, RestBody, blend_vertices, pose_joints, skin_vertices
from workers.engines.bodies.kinematics import BodyState, Kinematics
from workers.engines.bodies.rotations import exp_map, from_quaternions, quaternions
from workers.engines.protocols import Rig

Floats = NDArray[np.float64]
# Bend of each finger joint in radians: a relaxed hand is half closed, the model's rest hand is flat. Chosen
# by eye.
RELAXED_CURL = 0.28


@dataclass(frozen=True, slots=True, eq=False)
class SkinnedPoints:
    """N vertices on the fitted skeleton.

    `riders` and `weights` (N, 4): the joints that carry a vertex; `arms` (N, 4, 3): its offset from each at
    rest, metres; `arm_directions` (K, N, 4, 3): what a unit of each shape direction adds to it.
    """

    riders: NDArray[np.int64]
    weights: Floats
    arms: Floats
    arm_directions: Floats

    def turn_arms(self, coefficients: Floats, global_rotations: Floats) -> Floats:
        """The arms (N, 4, 3) of a shape (K,), turned with their joints (M, 3, 3)."""
        arms = self.arms + np.tensordot(coefficients, self.arm_directions, 1)
        turned: Floats = (global_rotations[self.riders] @ arms[..., None])[..., 0]
        return turned

    def place(self, coefficients: Floats, global_rotations: Floats, joints: Floats) -> Floats:
        """The points (N, 3) of a shape (K,) on fitted joints turned by (M, 3, 3) at (M, 3)."""
        under = joints[self.riders] + self.turn_arms(coefficients, global_rotations)
        placed: Floats = (self.weights[:, None] @ under)[:, 0]
        return placed


class Skinner:
    """Poses the model's whole mesh by a state of the fit."""

    def __init__(self, kinematics: Kinematics) -> None:
        self.kinematics = kinematics
        self._model = kinematics.skeleton.model
        self._riders = kinematics.skeleton.nearest[self._model.skin_joints]
        self._rest_rotations = bend_fingers(self._model, np.full((2, 4), RELAXED_CURL))
        curled = self._rest_rotations[:, 0] < 1.0
        strongest = np.take_along_axis(
            self._model.skin_joints, self._model.skin_weights.argmax(axis=1)[:, None], axis=1
        )[:, 0]
        self.rigid = ~curled[strongest]
        """Vertices (V,) that `subset` poses exactly: all but those of the curled fingers."""
        self._mesh = _RelaxedMesh(kinematics, self._riders, self._rest_rotations)

    def rest(self, state: BodyState) -> RestBody:
        """The state's body at rest."""
        return self._model.rest(self.kinematics.coefficients(state.shape))

    def vertices(self, state: BodyState) -> Floats:
        """Posed vertices (V, 3) in the camera frame, with relaxed hands."""
        return self._mesh.place(state)

    def rig(self, state: BodyState, curls: Floats | None = None) -> Rig:
        """The full rig of a state; `curls` (2, 4) bend left and right index to pinky, radians per joint."""
        model, rest = self._model, self.rest(state)
        rotations = self._rest_rotations.copy() if curls is None else bend_fingers(model, curls)
        rotations[self.kinematics.skeleton.joints] = quaternions(state.rotations)
        return Rig(
            joint_names=model.joint_names,
            parents=model.parents,
            rest_joints=rest.joints,
            rest_vertices=rest.vertices,
            faces=model.faces,
            skin_joints=model.skin_joints,
            skin_weights=model.skin_weights,
            rotations=rotations,
            root_translation=state.translation,
        )

    def subset(self, chosen: NDArray[np.int64]) -> SkinnedPoints:
        """Chosen vertices (N,) as offsets from the fitted joints that carry them."""
        model = self._model
        skeleton = self.kinematics.skeleton
        riders = self._riders[chosen]
        joints = skeleton.joints[riders]
        arms = model.base.vertices[chosen][:, None] - model.base.joints[joints]
        grown = model.directions.vertices[:, chosen][:, :, None] - model.directions.joints[:, joints]
        return SkinnedPoints(riders, model.skin_weights[chosen], arms, grown)


class _RelaxedMesh:
    """All vertices with relaxed hands on the fitted joints alone.

    Fingers do not turn in a fit: with them bent at rest, every vertex rides on the fitted joints.
    """

    def __init__(self, kinematics: Kinematics, riders: NDArray[np.int64], rotations: Floats) -> None:
        """`riders` (V, 4) are fitted joints, `rotations` (J, 4) wxyz those of the bent fingers."""
        self._kinematics = kinematics
        model, joints = kinematics.skeleton.model, kinematics.skeleton.joints
        shapes = np.eye(len(model.shape_names))
        base, *grown = (_bend_rest(model, model.rest(shape), rotations) for shape in (0 * shapes[0], *shapes))
        self._base, self._directions = base, np.stack(grown) - base
        self._joints, self._joint_directions = model.base.joints[joints], model.directions.joints[:, joints]
        rows = np.repeat(np.arange(len(base)), riders.shape[1])
        weights = (model.skin_weights.ravel(), (rows, riders.ravel()))
        self._weights = sparse.csr_array(weights, (len(base), len(joints)))
        self._weights.sum_duplicates()

    def place(self, state: BodyState) -> Floats:
        """The vertices (V, 3) in the camera frame."""
        posed, coefficients = self._kinematics.pose(state), self._kinematics.coefficients(state.shape)
        rest = self._base + np.tensordot(coefficients, self._directions, 1)
        joints = self._joints + np.tensordot(coefficients, self._joint_directions, 1)
        return blend_vertices(rest, joints, self._weights, posed.global_rotations, posed.joints)


def _bend_rest(model: AnnyModel, rest: RestBody, rotations: Floats) -> Floats:
    """The vertices (V, 3) of a body at rest whose joints turn by rotations (J, 4) wxyz."""
    turned, joints = pose_joints(model.parents, rest.joints, from_quaternions(rotations), rest.joints[0])
    return skin_vertices(rest.vertices, rest.joints, model.skin_joints, model.skin_weights, turned, joints)


def bend_fingers(model: AnnyModel, curls: Floats) -> Floats:
    """Local rotations (J, 4) wxyz: fingers two to five curl about the axis of their bend at rest.

    `curls` (2, 4) are radians per joint of the left and the right hand.
    """
    names = {name: j for j, name in enumerate(model.joint_names)}
    rotations = np.zeros((len(names), 4))
    rotations[:, 0] = 1.0
    for side, hand in zip(("L", "R"), curls, strict=True):
        for finger, curl in zip(range(2, 6), hand, strict=True):
            chain = [names[f"finger{finger}_{k}_{side}"] for k in (1, 2, 3)]
            a, b, c = model.base.joints[chain]
            axis = np.cross(b - a, c - b)
            axis = axis / np.linalg.norm(axis)
            rotations[chain] = quaternions(exp_map(curl * axis))
    return rotations


def pose_rig(rig: Rig) -> tuple[Floats, Floats]:
    """Global rotations (J, 3, 3) and positions (J, 3) of a rig's joints in the camera frame."""
    return pose_joints(rig.parents, rig.rest_joints, from_quaternions(rig.rotations), rig.root_translation)


def skin_rig(rig: Rig) -> Floats:
    """Posed vertices (V, 3) of a rig in the camera frame, by the formula at the top of `anny`."""
    return skin_posed_rig(rig, *pose_rig(rig))


def skin_posed_rig(rig: Rig, global_rotations: Floats, positions: Floats) -> Floats:
    """Posed vertices (V, 3) of a rig whose joints are posed (`pose_rig`)."""
    return skin_vertices(
        rig.rest_vertices, rig.rest_joints, rig.skin_joints, rig.skin_weights, global_rotations, positions
    )
