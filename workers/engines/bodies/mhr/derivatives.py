"""Points of MHR's surface with their derivatives, for Gauss-Newton.

The correctives of the pose are part of the points, and left out of the derivatives.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from workers.engines.bodies.mhr.arrays import (
    EXPRESSION,
    FREE_JOINTS,
    IDENTITY,
    METRES,
    PER_JOINT,
    Chain,
    MhrArrays,
    compute_chain,
)
from workers.engines.bodies.mhr.layout import PARAMETERS, SCALES
from workers.engines.bodies.mhr.model import Floats

# columns of a frame's own parameters: translation, root and joints, then the face
POSE_SIZE = SCALES.start
OWN_COLUMNS = POSE_SIZE + EXPRESSION
# columns that all frames share: sizes of the bones, then the identity
SHARED_COLUMNS = PARAMETERS - POSE_SIZE + IDENTITY
COLUMNS = OWN_COLUMNS + SHARED_COLUMNS


@dataclass(frozen=True, slots=True, eq=False)
class MhrState:
    """MHR's parameters (204,), identity (45,) and expression (72,)."""

    parameters: Floats
    identity: Floats
    expression: Floats

    @classmethod
    def rest(cls) -> Self:
        """The body at rest, of mean identity."""
        return cls(np.zeros(PARAMETERS), np.zeros(IDENTITY), np.zeros(EXPRESSION))

    def move(self, step: Floats) -> Self:
        """The state after a step (321,) in the columns of `MhrPoints.linearise`."""
        own, shared = step[:OWN_COLUMNS], step[OWN_COLUMNS:]
        sizes = PARAMETERS - POSE_SIZE
        return type(self)(
            self.parameters + np.concatenate([own[:POSE_SIZE], shared[:sizes]]),
            self.identity + shared[sizes:],
            self.expression + own[POSE_SIZE:],
        )

    def read_shared(self) -> Floats:
        """What all frames of a person share (113,)."""
        return np.concatenate([self.parameters[SCALES], self.identity])

    def read_own(self) -> Floats:
        """What is a frame's own (208,)."""
        return np.concatenate([self.parameters[:POSE_SIZE], self.expression])


class MhrPoints:
    """Chosen vertices of MHR, in metres in the axes of its parameters."""

    def __init__(self, arrays: MhrArrays, vertices: NDArray[np.int64]) -> None:
        self._arrays = arrays
        self._base, self._directions = (
            arrays.base[vertices],
            np.moveaxis(arrays.directions[:, vertices], 0, 2),
        )
        self._joints, self._weights = arrays.skin_joints[vertices], arrays.skin_weights[vertices]
        columns = (3 * vertices[:, None] + np.arange(3)).ravel()
        self._correctives = csr_array(arrays.corrective_output.tocsc()[:, columns])
        count = len(arrays.parents)
        self._below = np.eye(count)
        for joint in range(count - 1, 0, -1):
            self._below[arrays.parents[joint]] += self._below[joint]
        # weights of all that hangs on each joint
        dense = np.zeros((len(vertices), count))
        for k in range(self._joints.shape[1]):
            np.add.at(dense, (np.arange(len(vertices)), self._joints[:, k]), self._weights[:, k])
        self._hanging = dense @ self._below.T
        self._transform = csr_array(arrays.transform)

    def place(self, state: MhrState) -> Floats:
        """The points (N, 3) of a state."""
        carried, _ = self._carry(state, compute_chain(self._arrays, state.parameters))
        return np.asarray(METRES * np.einsum("nk,nka->na", self._weights, carried))

    def linearise(self, state: MhrState) -> tuple[Floats, Floats]:
        """The points (N, 3), and what a step adds to them (N, 3, 321)."""
        chain = compute_chain(self._arrays, state.parameters)
        carried, blended = self._carry(state, chain)
        parts = self._weights[:, :, None] * carried
        by_parameters = self._differentiate(parts, chain)
        by_shapes = blended @ self._directions
        columns = np.concatenate(
            [
                by_parameters[:, :, :POSE_SIZE],
                by_shapes[:, :, IDENTITY:],
                by_parameters[:, :, POSE_SIZE:],
                by_shapes[:, :, :IDENTITY],
            ],
            axis=2,
        )
        return METRES * parts.sum(axis=1), METRES * columns

    def _carry(self, state: MhrState, chain: Chain) -> tuple[Floats, Floats]:
        """Each point as its joints carry it (N, K, 3), and what moves it with its shape (N, 3, 3)."""
        arrays = self._arrays
        coefficients = np.concatenate([state.identity, state.expression])
        shaped = self._base + self._directions @ coefficients + self._correct(chain) / METRES
        linear = chain.linear @ arrays.bind_linear
        shifts = np.einsum("jab,jb->ja", chain.linear, arrays.bind_translation) + chain.places
        carried = np.einsum("nkab,nb->nka", linear[self._joints], shaped) + shifts[self._joints]
        return carried, np.einsum("nk,nkab->nab", self._weights, linear[self._joints])

    def _correct(self, chain: Chain) -> Floats:
        """The correctives (N, 3) in metres of a pose."""
        own = chain.own[FREE_JOINTS:]
        features = np.concatenate([own[:, :, 0] - [1, 0, 0], own[:, :, 1] - [0, 1, 0]], axis=1)
        active = np.maximum(features.ravel() @ self._arrays.corrective_hidden, 0)
        return np.asarray(active @ self._correctives).reshape(-1, 3)

    def _differentiate(self, parts: Floats, chain: Chain) -> Floats:
        """What the 204 parameters add to the points (N, 3, 204)."""
        count, joints = len(parts), len(chain.places)
        by_joint = np.zeros((count, joints, 3))
        for k in range(self._joints.shape[1]):
            np.add.at(by_joint, (np.arange(count), self._joints[:, k]), parts[:, k])
        # what hangs on each joint, as seen from it
        arms = self._below @ by_joint - self._hanging[:, :, None] * chain.places
        columns = np.empty((count, 3, joints, PER_JOINT))
        columns[..., :3] = np.einsum("nj,jab->najb", self._hanging, chain.parent_linear)
        turned = np.cross(chain.axes[None], arms[:, :, None])
        columns[..., 3:6] = np.moveaxis(turned, 3, 1)
        columns[..., 6] = np.log(2) * np.moveaxis(arms, 2, 1)
        flat = columns.reshape(3 * count, joints * PER_JOINT)
        return np.asarray(flat @ self._transform).reshape(count, 3, -1)
