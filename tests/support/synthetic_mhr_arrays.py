"""A body in MHR's layout that is made up of Anny: every third vertex, Anny's joints, all kinds of parameters.

Nothing of it is MHR's own. Joints do not depend on the identity, as in MHR, and each has a rotation of its
own before its angles.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from tests.support.synthetic_smplx import list_faces
from workers.engines.bodies.anny import load_anny
from workers.engines.bodies.mhr.arrays import EXPRESSION, IDENTITY, PER_JOINT, MhrArrays
from workers.engines.bodies.mhr.layout import PARAMETERS, POSE, SCALES

CENTIMETRES = 100.0


def make_arrays() -> MhrArrays:
    """Angles for the 43 joints that carry most, a size for each of the first 68, faces that move the head."""
    anny, rng = load_anny(), np.random.default_rng(5)
    chosen = np.arange(0, len(anny.base.vertices), 3)
    count = len(anny.parents) + 1
    # MHR's first joint is the world's, the second the root
    parents = np.array([-1, *(anny.parents + 1)])
    places = np.vstack([np.zeros(3), CENTIMETRES * anny.base.joints])
    world = np.concatenate([np.eye(3)[None], Rotation.random(count - 1, random_state=3).as_matrix()])
    world[1] = np.eye(3)
    above = np.concatenate([np.eye(3)[None], world[parents[1:]]])
    offsets = np.einsum("jba,jb->ja", above, places - np.vstack([np.zeros(3), places[parents[1:]]]))
    base = CENTIMETRES * anny.base.vertices[chosen]
    skin_joints = anny.skin_joints[chosen] + 1
    directions = np.zeros((IDENTITY + EXPRESSION, len(chosen), 3))
    directions[: len(anny.shape_names)] = CENTIMETRES * anny.directions.vertices[:, chosen]
    head = base[:, 1] > np.percentile(base[:, 1], 92)
    directions[IDENTITY : IDENTITY + 4, head] = rng.normal(0, 1.0, (4, int(head.sum()), 3))
    features, hidden = 6 * (count - 2), 20
    output = np.where(rng.random((hidden, 3 * len(chosen))) < 0.02, 0.001, 0.0)
    return MhrArrays(
        joint_names=("body_world", *anny.joint_names),
        parents=parents,
        offsets=offsets,
        before=np.einsum("jba,jbc->jac", above, world),
        transform=_make_transform(count, skin_joints),
        bind_linear=np.transpose(world, (0, 2, 1)),
        bind_translation=-np.einsum("jba,jb->ja", world, places),
        skin_joints=skin_joints,
        skin_weights=anny.skin_weights[chosen],
        base=base,
        directions=directions,
        faces=list_faces(len(chosen)),
        corrective_hidden=rng.normal(0, 0.1, (features, hidden)),
        corrective_output=csr_array(output),
    )


def _make_transform(count: int, skin_joints: np.ndarray) -> np.ndarray:
    transform = np.zeros((count, PER_JOINT, PARAMETERS))
    transform[1, :3, :3] = 10 * np.eye(3)
    transform[1, 3:6, 3:6] = np.eye(3)
    carried = np.bincount(skin_joints.ravel(), minlength=count)
    carried[:2] = 0
    turning = np.sort(np.argsort(-carried)[: (POSE.stop - POSE.start) // 3])
    for row, joint in enumerate(turning):
        transform[joint, 3:6, POSE.start + 3 * row : POSE.start + 3 * row + 3] = np.eye(3)
    for row, joint in enumerate(range(1, 1 + SCALES.stop - SCALES.start)):
        transform[joint, 6, SCALES.start + row] = 1
    return transform.reshape(count * PER_JOINT, PARAMETERS)
