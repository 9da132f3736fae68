"""Fits SMPL or SMPL-X to one posed body, or to a track of one person, whose shape stays the same.

Joints come first, then the surface: the nearest points of a body whose mesh is another, or known places of
the model's vertices, as Meta's map gives them for MHR.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.rotations import log_map
from workers.engines.bodies.smplx.derivatives import BodyPoints, BodyPose
from workers.engines.bodies.smplx.least_squares import Targets, solve_poses
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
TORSO = ("pelvis", "left_hip", "right_hip", "neck")
# Distance at which a nearest point loses weight, in metres. Chosen, not measured.
SURFACE_REACH = 0.05
# Sampled vertices, rounds of nearest points, and the most steps of the joints' fit and of a round.
POINTS, ROUNDS, JOINT_STEPS, ROUND_STEPS = 400, 4, 30, 8
# Frames of a track that decide its shape, and what a frame takes that starts from its neighbour.
SHAPE_FRAMES, NEXT_ROUNDS = 8, 2
# A joint further from its target, in metres, is first moved there: the nearest points would be wrong.
FAR_METRES = 0.1
# share of a vertex's weight from which it is the body's, not the hands' or the face's
OF_BODY = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """A body to convert: vertices (V, 3) and joints (J, 3) in metres, in the camera's frame.

    `places` (M, 3), where they are known, are those of all of the model's vertices on it.
    """

    vertices: Floats
    joints: Floats
    places: Floats | None = None


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


class SmplxFitter:
    """Fits a model to bodies of one rig; raises ValueError for a rig whose joints have no known names."""

    def __init__(self, model: SmplxModel, joint_names: Sequence[str]) -> None:
        self._model, self._names = model, _find_joints(joint_names)
        carried = np.flatnonzero(model.weights[:, :BODY_JOINTS].sum(axis=1) > OF_BODY)
        # evenly among all: hands and face have joints that stay at rest
        self._chosen = carried[np.linspace(0, len(carried) - 1, min(POINTS, len(carried))).astype(int)]
        self._points = BodyPoints(model, self._chosen)
        self._rows = np.array([JOINTS.index(name) for name in self._names])
        self._columns = np.array(list(self._names.values()))

    def fit(self, body: PosedBody) -> SmplxBody:
        """The model fitted to one body."""
        [pose] = self.fit_shape([body])
        return self._describe(body, pose)

    def fit_track(self, frames: int, read: Callable[[int], PosedBody]) -> list[SmplxBody]:
        """The model fitted to every frame of one person, all with one shape.

        A few frames, evenly among all, decide the shape; then each frame begins at its neighbour's pose.
        """
        chosen = np.unique(np.linspace(0, frames - 1, min(SHAPE_FRAMES, frames)).astype(int)).tolist()
        poses = dict(zip(chosen, self.fit_shape([read(k) for k in chosen]), strict=True))
        fitted: list[SmplxBody] = []
        pose = poses[0]
        for frame in range(frames):
            body = read(frame)
            pose = poses[frame] if frame in poses else self._fit_next(body, pose)
            fitted.append(self._describe(body, pose))
        return fitted

    def fit_shape(self, bodies: Sequence[PosedBody]) -> list[BodyPose]:
        """The poses of several bodies of one person, whose shape is the same."""
        wanted = [Targets(self._rows, body.joints[self._columns]) for body in bodies]
        poses = solve_poses(self._points, [self._align(body) for body in bodies], wanted, JOINT_STEPS)
        return self._meet_surfaces(bodies, poses, ROUNDS)

    def _fit_next(self, body: PosedBody, pose: BodyPose) -> BodyPose:
        """The pose of a frame, from that of the frame before and with its shape."""
        wanted = Targets(self._rows, body.joints[self._columns])
        gaps = np.linalg.norm(self._points.linearise(pose).joints[self._rows] - wanted.joints, axis=1)
        if gaps.max() > FAR_METRES:
            [pose] = solve_poses(self._points, [pose], [wanted], JOINT_STEPS, shape_is_known=True)
        return self._meet_surfaces([body], [pose], NEXT_ROUNDS, shape_is_known=True)[0]

    def _meet_surfaces(
        self,
        bodies: Sequence[PosedBody],
        poses: Sequence[BodyPose],
        rounds: int,
        *,
        shape_is_known: bool = False,
    ) -> list[BodyPose]:
        """The poses moved onto the surfaces, whose nearest points are found anew in each round."""
        trees = [None if body.places is not None else cKDTree(body.vertices) for body in bodies]
        found = list(poses)
        for _ in range(rounds):
            targets = [self._match(*each) for each in zip(bodies, trees, found, strict=True)]
            found = solve_poses(self._points, found, targets, ROUND_STEPS, shape_is_known=shape_is_known)
        return found

    def _match(self, body: PosedBody, tree: cKDTree | None, pose: BodyPose) -> Targets:
        """The places of the chosen vertices: known ones, or the nearest points of the surface."""
        joints = body.joints[self._columns]
        if tree is None:
            assert body.places is not None
            return Targets(self._rows, joints, body.places[self._chosen], np.ones(len(self._chosen)))
        gaps, nearest = tree.query(self._points.linearise(pose).points)
        # a far nearest point is the wrong one
        weights = 1.0 / (1.0 + (np.asarray(gaps) / SURFACE_REACH) ** 2)
        return Targets(self._rows, joints, body.vertices[nearest], weights)

    def _align(self, body: PosedBody) -> BodyPose:
        """The rest pose turned and moved onto the torso."""
        rest = self._model.joint_template
        here = np.array([rest[JOINTS.index(name)] for name in TORSO])
        there = body.joints[[self._names[name] for name in TORSO]]
        turn, _ = Rotation.align_vectors(there - there.mean(axis=0), here - here.mean(axis=0))
        rotations = np.tile(np.eye(3), (BODY_JOINTS, 1, 1))
        rotations[0] = turn.as_matrix()
        # the model turns about its own pelvis
        shift = there.mean(axis=0) - turn.apply(here.mean(axis=0) - rest[0]) - rest[0]
        return BodyPose(np.zeros(BETAS), rotations, shift)

    def _describe(self, body: PosedBody, pose: BodyPose) -> SmplxBody:
        angles = log_map(pose.rotations)
        vertices, joints = self._model.pose(pose.betas, angles, pose.translation)
        targets = body.joints[self._columns]
        points = vertices[self._chosen]
        if body.places is None:
            distance = np.asarray(cKDTree(body.vertices).query(points)[0])
        else:
            distance = np.linalg.norm(points - body.places[self._chosen], axis=1)
        return SmplxBody(
            pose.betas,
            angles[0],
            angles[1:],
            pose.translation,
            vertices,
            float(distance.mean()),
            float(np.linalg.norm(joints[self._rows] - targets, axis=1).mean()),
        )


def fit_smplx(model: SmplxModel, vertices: Floats, joints: Floats, joint_names: list[str]) -> SmplxBody:
    """SMPL-X for a posed body: vertices (V, 3) and joints (J, 3) in metres in the camera's frame.

    Raises ValueError for a rig whose joints have no known names.
    """
    return SmplxFitter(model, joint_names).fit(PosedBody(vertices, joints))


def _find_joints(joint_names: Sequence[str]) -> Mapping[str, int]:
    """The index of the rig's joint for each joint of the model that is a target."""
    named = map_humanoid_joints(joint_names)
    places = {
        UNITY[names["unity"]]: list(joint_names).index(joint)
        for joint, names in named.items()
        if names["unity"] in UNITY
    }
    if len(places) < len(UNITY):
        raise ValueError("the rig's joints have no known names: SMPL-X cannot be fitted to it")
    return places
