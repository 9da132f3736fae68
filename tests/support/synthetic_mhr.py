"""A made-up rig of MHR's size and layout, for tests without its assets: nothing of it is MHR's own.

127 joints in a random tree, 18439 skinned vertices. The root turns by parameters 3 to 5, every other joint by
one of the 130 pose parameters, bones grow with the 68 scales. Deterministic.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from workers.engines.bodies.mhr.layout import JOINTS, POSE, SCALES, VERTICES, from_euler
from workers.engines.bodies.mhr.model import Floats, Ints, MhrPose, SkinnedMesh

# As in MHR: everything below the elbows.
HANDS = np.r_[41:69, 77:105]


class SyntheticMhr:
    """Fulfils `MhrModel`, and also gives posed vertices."""

    def __init__(self, seed: int = 7) -> None:
        random = np.random.default_rng(seed)
        parents = np.array([-1, *(int(random.integers(max(0, j - 6), j)) for j in range(1, JOINTS))])
        parents[1], parents[2] = 0, 1
        for first, last, elbow in ((41, 69, 40), (77, 105, 76)):
            for j in range(first, last):
                parents[j] = elbow if j == first else int(random.integers(first, j))
        for j in range(2, JOINTS):
            if parents[j] in HANDS and j not in HANDS:
                parents[j] = 34
        self.parents: Ints = parents.astype(np.int64)
        self.joint_names = tuple(f"joint_{j}" for j in range(JOINTS))
        self._offsets = random.normal(0, 0.05, (JOINTS, 3))
        self._offsets[:2] = (0, 0, 0), (0, 0.92, 0)
        self._before = Rotation.random(JOINTS, random_state=seed).as_matrix()
        self._before[:2] = np.eye(3)
        self._rest_vertices, self.mesh = self._skin(random)

    def pose(self, parameters: Floats) -> MhrPose:
        rotations, joints = np.empty((JOINTS, 3, 3)), np.empty((JOINTS, 3))
        sizes = 2.0 ** (0.1 * parameters[SCALES])
        rotations[0], joints[0] = np.eye(3), parameters[:3] / 10
        for j in range(1, JOINTS):
            p = self.parents[j]
            if j == 1:
                local = from_euler(parameters[3:6])
            else:
                angle = parameters[6 + j - 2]
                local = self._before[j] @ from_euler(np.array([angle, 0.5 * angle, 0.0]))
            rotations[j] = rotations[p] @ local
            joints[j] = joints[p] + rotations[p] @ (self._offsets[j] * sizes[j % len(sizes)])
        return MhrPose(rotations, joints)

    def vertices(self, parameters: Floats, shape: Floats) -> Floats:
        """Posed vertices (V, 3) in MHR's frame; the first shape number makes the body thicker."""
        rest, posed = self.pose(np.zeros(204)), self.pose(parameters)
        riders = self.mesh.skin_joints
        arms = self._rest_vertices[:, None] - rest.joints[riders]
        local = np.einsum("vkba,vkb->vka", rest.rotations[riders], arms) * (1 + 0.1 * shape[0])
        placed = np.einsum("vkab,vkb->vka", posed.rotations[riders], local) + posed.joints[riders]
        return np.einsum("vk,vka->va", self.mesh.skin_weights, placed)

    def keypoints(self, parameters: Floats, shape: Floats) -> Floats:
        """Seventy points (70, 3) of the body in MHR's frame, chosen at will."""
        return np.concatenate(
            [self.pose(parameters).joints[1:36], self.vertices(parameters, shape)[::500][:35]]
        )

    def relax_hands(self, parameters: Floats) -> Floats:
        """The same person (204,) whose joints below the elbows are as at rest."""
        out = parameters.copy()
        out[POSE][HANDS - 2] = 0
        return out

    def _skin(self, random: np.random.Generator) -> tuple[Floats, SkinnedMesh]:
        joints = self.pose(np.zeros(204)).joints
        strongest = random.integers(1, JOINTS, VERTICES)
        riders = np.empty((VERTICES, 4), dtype=np.int64)
        riders[:, 0] = strongest
        for k in range(1, 4):
            riders[:, k] = np.maximum(self.parents[riders[:, k - 1]], 0)
        weights = random.dirichlet([8, 3, 1, 0.5], VERTICES)
        vertices = joints[strongest] + random.normal(0, 0.03, (VERTICES, 3))
        corners: NDArray[np.int64] = np.arange(36874)[:, None] % (VERTICES - 2) + [0, 1, 2]
        return vertices, SkinnedMesh(corners, riders, weights)


def random_parameters(seed: int) -> Floats:
    """A pose (204,) at the origin with moderate angles and sizes."""
    random = np.random.default_rng(seed)
    out = np.concatenate([np.zeros(3), random.normal(0, 0.3, 133), random.normal(0, 0.5, 68)])
    out[4] += random.uniform(-1, 1)
    return out
