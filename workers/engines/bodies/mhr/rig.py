"""From a posed MHR skeleton and mesh to the product's rig, which has rotations and no scales.

The rig's formulas (docs/bodies.md) are solved backwards for its rest pose. With D_j the rotation of joint j
from MHR's own rest to its pose, r_j = r_p + D_p^T (t_j - t_p) puts every joint where MHR has it. Each rest
vertex is chosen so that its four strongest joints carry it exactly onto the posed one. Bone sizes, shape and
pose correctives are therefore part of the rest mesh, and the posed mesh is reproduced by construction.
"""

import numpy as np

from workers.engines.bodies.mhr.layout import CAMERA_FROM_MHR
from workers.engines.bodies.mhr.model import Floats, Ints, MhrPose, SkinnedMesh
from workers.engines.bodies.rotations import quaternions
from workers.engines.protocols import Rig

# Smallest singular value of blended rotations that is inverted: where rotations cancel, a vertex takes the
# mean of its joints' positions, and errors are magnified at most tenfold. Chosen, not measured.
MIN_STRETCH = 0.1


def build_rig(
    joint_names: tuple[str, ...],
    parents: Ints,
    mesh: SkinnedMesh,
    posed: MhrPose,
    rest: MhrPose,
    vertices: Floats,
    translation: Floats,
) -> Rig:
    """The rig of one person.

    `posed` and `rest` are MHR's skeleton with the person's parameters and with `layout.reset_pose` of them;
    `vertices` (V, 3) the posed mesh in MHR's frame, metres; `translation` (3,) from MHR's origin to the
    camera, in the camera's axes.
    """
    global_rotations = posed.rotations @ rest.rotations.transpose(0, 2, 1)
    joints = np.empty_like(posed.joints)
    local = np.empty_like(global_rotations)
    for j, p in enumerate(parents):
        if p < 0:
            joints[j], local[j] = rest.joints[j], CAMERA_FROM_MHR @ global_rotations[j]
        else:
            joints[j] = joints[p] + global_rotations[p].T @ (posed.joints[j] - posed.joints[p])
            local[j] = global_rotations[p].T @ global_rotations[j]
    root = int(np.flatnonzero(parents < 0)[0])
    return Rig(
        joint_names=joint_names,
        parents=parents,
        rest_joints=joints,
        rest_vertices=unskin(vertices, mesh, global_rotations, posed.joints, joints),
        faces=mesh.faces,
        skin_joints=mesh.skin_joints,
        skin_weights=mesh.skin_weights,
        rotations=quaternions(local),
        root_translation=CAMERA_FROM_MHR @ posed.joints[root] + translation,
    )


def unskin(
    vertices: Floats, mesh: SkinnedMesh, global_rotations: Floats, positions: Floats, rest_joints: Floats
) -> Floats:
    """Rest vertices (V, 3) that the skin carries onto posed ones (V, 3).

    `global_rotations` (J, 3, 3) and `positions` (J, 3) are those of the pose, `rest_joints` (J, 3) at rest.
    """
    riders, weights = mesh.skin_joints, mesh.skin_weights
    matrices, places, centres = global_rotations[riders], positions[riders], rest_joints[riders]
    blend = np.einsum("vk,vkab->vab", weights, matrices)
    shift = np.einsum("vk,vka->va", weights, places - np.einsum("vkab,vkb->vka", matrices, centres))
    back = np.einsum("vkba,vkb->vka", matrices, vertices[:, None] - places) + centres
    likely = np.einsum("vk,vka->va", weights, back)
    left, stretch, right = np.linalg.svd(blend)
    inverse = np.where(stretch > MIN_STRETCH, 1 / np.maximum(stretch, MIN_STRETCH), 0.0)
    missed = vertices - shift - np.einsum("vab,vb->va", blend, likely)
    step = np.einsum("vba,vb,vcb,vc->va", right, inverse, left, missed, optimize=True)
    return np.asarray(likely + step, dtype=np.float64)
