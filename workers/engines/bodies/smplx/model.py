"""The SMPL-X body model from a file that the user has licensed.

Forward pass: Loper et al., "SMPL: A Skinned Multi-Person Linear Model" (2015), equations 1 to 10, with the
arrays of Pavlakos et al., "Expressive Body Capture" (2019). Axes: y up, facing +z, metres.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
BODY_JOINTS = 22
BETAS = 10
# numbers of an expression that SMPL-X is used with; its files hold 10 or 100 behind 10 or 300 of shape
EXPRESSIONS = 10
SMPLX_JOINTS = 55
JOINTS = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)
ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


class SmplxFileError(ValueError):
    """The file is not a SMPL-X model that can be read safely."""


@dataclass(frozen=True, slots=True, eq=False)
class SmplxModel:
    """V vertices on J joints: template (V, 3), what shape (V, 3, B) and pose (V, 3, 9 (J - 1)) add to it.

    Joints are linear in the shape: `joint_template` (J, 3) and `joint_directions` (J, 3, B). The first B
    directions are of the shape, 10 unless asked otherwise, and as many follow as expressions were asked for.
    """

    template: Floats
    shape_directions: Floats
    pose_directions: Floats
    joint_template: Floats
    joint_directions: Floats
    weights: Floats
    parents: NDArray[np.int64]
    faces: NDArray[np.int64]

    @classmethod
    def load(cls, path: Path, *, betas: int = BETAS, expressions: int = 0) -> "SmplxModel":
        """Read SMPLX_{NEUTRAL,MALE,FEMALE}.npz; raises SmplxFileError for anything else, such as pickles."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
                arrays = {name: np.asarray(data[name]) for name in ARRAYS}
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise SmplxFileError(
                f"{path} is not a SMPL-X model in NPZ form ({error}); download SMPLX_*.npz from the model's "
                "site under its licence: .pkl files are pickles, which are never opened"
            ) from error
        template, weights = arrays["v_template"], arrays["weights"]
        if template.ndim != 2 or weights.shape[0] != len(template) or weights.shape[1] < BODY_JOINTS:
            raise SmplxFileError(f"{path} has arrays whose shapes are not SMPL-X's")
        parents = arrays["kintree_table"][0].astype(np.int64)
        # the file marks the root with the largest unsigned number
        parents[0] = -1
        chosen = _choose_directions(path, arrays["shapedirs"].shape[2], weights.shape[1], betas, expressions)
        directions = arrays["shapedirs"][:, :, chosen].astype(np.float64)
        regressor = arrays["J_regressor"].astype(np.float64)
        return cls(
            template.astype(np.float64),
            directions,
            arrays["posedirs"].astype(np.float64),
            regressor @ template,
            np.einsum("jv,vak->jak", regressor, directions),
            weights.astype(np.float64),
            parents,
            arrays["f"].astype(np.int64),
        )

    def pose(self, betas: Floats, rotations: Floats, translation: Floats) -> tuple[Floats, Floats]:
        """Vertices (V, 3) and joints (J, 3): shape (B,), rotation vectors (N, 3) and a translation (3,).

        The first N joints turn, 22 of SMPL-X's body or all 24 of SMPL; the others stay at rest. Expressions
        follow the shape where the model was read with them.
        """
        count = len(self.parents)
        joints = self.joint_template + self.joint_directions @ betas
        local = np.tile(np.eye(3), (count, 1, 1))
        local[: len(rotations)] = Rotation.from_rotvec(rotations).as_matrix()
        turned, placed = local.copy(), joints.copy()
        for joint in range(1, count):
            parent = self.parents[joint]
            turned[joint] = turned[parent] @ local[joint]
            placed[joint] = placed[parent] + turned[parent] @ (joints[joint] - joints[parent])
        features = (local[1:] - np.eye(3)).reshape(-1)
        shaped = self.template + self.shape_directions @ betas + self.pose_directions @ features
        offsets = placed - np.einsum("jab,jb->ja", turned, joints)
        blended = np.einsum(
            "vj,jab->vab", self.weights, np.concatenate([turned, offsets[:, :, None]], axis=2)
        )
        vertices: Floats = np.einsum("vab,vb->va", blended[:, :, :3], shaped) + blended[:, :, 3]
        return vertices + translation, placed + translation


def _choose_directions(path: Path, available: int, joints: int, betas: int, expressions: int) -> list[int]:
    """Which of a file's directions are the first of shape and of expression; raises SmplxFileError."""
    # SMPL has no face
    first = available if joints < SMPLX_JOINTS else 300 if available >= 400 else 10
    if min(first, available) < betas or (expressions and available < first + expressions):
        raise SmplxFileError(
            f"{path} has {available} directions of shape and expression, not {betas} and {expressions}"
        )
    return [*range(betas), *range(first, first + expressions)]
