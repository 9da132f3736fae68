"""The interface of an MHR model, whichever library evaluates it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
INFLUENCES = 4


@dataclass(frozen=True, slots=True, eq=False)
class MhrPose:
    """Global rotations (J, 3, 3) and positions (J, 3) in metres of all joints, in MHR's frame."""

    rotations: Floats
    joints: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SkinnedMesh:
    """Faces (F, 3) of V vertices, and the four joints (V, 4) that carry each, weights (V, 4) summing to 1."""

    faces: Ints
    skin_joints: Ints
    skin_weights: Floats


class MhrModel(Protocol):
    """The skeleton and the skin of MHR; `mesh` is that of LOD 1, the one SAM 3D Body predicts."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the J joints, parents before children."""
        ...

    @property
    def parents(self) -> Ints:
        """Parents (J,), -1 for the root, which comes first."""
        ...

    @property
    def mesh(self) -> SkinnedMesh:
        """The mesh and skin of LOD 1."""
        ...

    def pose(self, parameters: Floats) -> MhrPose:
        """All joints posed by the 204 parameters (`layout`)."""
        ...


def keep_strongest(dense: NDArray[np.floating]) -> tuple[Ints, Floats]:
    """The four strongest joints (V, 4) of dense skin weights (V, J), and their weights (V, 4), summing to 1.

    Ties and unused places go to the lowest joint. Raises ValueError for a vertex that no joint carries.
    """
    order = np.argsort(-dense, axis=1, kind="stable")[:, :INFLUENCES]
    weights = np.take_along_axis(dense, order, axis=1).astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        raise ValueError(f"{int((total <= 0).sum())} vertices have no joint")
    joints = np.where(weights > 0, order, order[:, :1]).astype(np.int64)
    return joints, weights / total
