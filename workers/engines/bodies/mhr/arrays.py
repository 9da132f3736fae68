"""MHR's arrays and its forward pass, for the least squares that fit it to a surface.

The formulas are those of facebookresearch/MHR (`mhr/mhr.py`): parameters to joints are linear, a joint turns
by Rz Ry Rx and grows by 2^s, blend shapes and correctives of the pose are added before skinning.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from workers.engines.bodies.mhr.assets import REQUIRED, MhrCorrupt, MhrMissing
from workers.engines.bodies.mhr.layout import PARAMETERS, from_euler
from workers.engines.bodies.mhr.model import Floats, Ints

IDENTITY, EXPRESSION = 45, 72
# what a joint has: an offset, three angles, and the exponent of its size
PER_JOINT = 7
METRES = 0.01
# the joints that the correctives do not look at: the world's and the root
FREE_JOINTS = 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MhrArrays:
    """J joints and V vertices, in centimetres unless stated.

    `parents` (J,), `offsets` (J, 3), `before` (J, 3, 3) the rotation before a joint's own, `transform`
    (7 J, 204) from parameters to joints, `bind_linear` (J, 3, 3) and `bind_translation` (J, 3) into each
    joint's frame at rest, `skin_joints` and `skin_weights` (V, K), `base` (V, 3), `directions` (117, V, 3) of
    identity and expression, `corrective_hidden` (6 (J - 2), H) and `corrective_output` (H, 3 V) in metres.
    """

    joint_names: tuple[str, ...]
    parents: Ints
    offsets: Floats
    before: Floats
    transform: Floats
    bind_linear: Floats
    bind_translation: Floats
    skin_joints: Ints
    skin_weights: Floats
    base: Floats
    directions: Floats
    faces: Ints
    corrective_hidden: Floats
    corrective_output: csr_array


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """World transforms of the joints: `linear` (J, 3, 3) with sizes, `places` (J, 3) in centimetres.

    `axes` (J, 3, 3) are the world's directions about which the angles a, b and c turn, one per row;
    `parent_linear` (J, 3, 3) what carries a joint's offset; `own` (J, 3, 3) the joints' own rotations.
    """

    linear: Floats
    places: Floats
    axes: Floats
    parent_linear: Floats
    own: Floats


def compute_chain(arrays: MhrArrays, parameters: Floats) -> Chain:
    """The joints posed by the parameters (204,)."""
    values = (arrays.transform @ parameters).reshape(-1, PER_JOINT)
    angles = values[:, 3:6]
    own = from_euler(angles)
    # the later angles turn the axes of the earlier ones
    by_a, by_b = from_euler(angles * [0, 1, 1]), from_euler(angles * [0, 0, 1])
    own_axes = np.stack([by_a[:, :, 0], by_b[:, :, 1], np.tile([0.0, 0.0, 1.0], (len(values), 1))], axis=1)
    local = arrays.before @ own * np.exp2(values[:, 6])[:, None, None]
    steps = values[:, :3] + arrays.offsets
    count = len(values)
    linear, places = np.empty((count, 3, 3)), np.empty((count, 3))
    above = np.empty((count, 3, 3))
    for joint, parent in enumerate(arrays.parents):
        above[joint] = np.eye(3) if parent < 0 else linear[parent]
        linear[joint] = above[joint] @ local[joint]
        places[joint] = above[joint] @ steps[joint] + (0 if parent < 0 else places[parent])
    turned = above / np.cbrt(np.linalg.det(above))[:, None, None]
    axes = np.einsum("jab,jbc,jkc->jka", turned, arrays.before, own_axes)
    return Chain(linear, places, axes, above, own)


def load_arrays(folder: Path) -> MhrArrays:
    """Those of an assets folder at LOD 1; raises MhrMissing without it or `body-models`, MhrCorrupt."""
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise MhrMissing(f"{folder} lacks {', '.join(missing)}")
    try:
        from body_models.mhr._io import load_model_data
    except ImportError as error:
        detail = f"body-models 0.26 is needed to read MHR ({error}): install the extra sam3d-body"
        raise MhrMissing(detail) from error
    try:
        data = load_model_data(folder, lod=1)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise MhrCorrupt(f"{folder} cannot be read as MHR: {error}") from error
    return convert_arrays(data)


def convert_arrays(data: Any) -> MhrArrays:
    """The arrays of `body_models.mhr._io.MhrAssets` (0.26)."""

    def read(values: Any) -> Floats:
        return np.asarray(values, np.float64)

    basis = data.correctives.basis
    places = np.asarray(basis.row_indices), np.asarray(basis.column_indices)
    return MhrArrays(
        joint_names=tuple(str(name) for name in data.joint_names),
        parents=np.asarray(data.kinematic_tree.parents, np.int64),
        offsets=read(data.joint_offsets),
        before=Rotation.from_quat(read(data.joint_pre_rotations)).as_matrix(),
        transform=read(data.parameter_transform)[:, :PARAMETERS],
        bind_linear=read(data.bind_inv_linear),
        bind_translation=read(data.bind_inv_translation),
        skin_joints=np.asarray(data.compact_skinning.joint_indices, np.int64),
        skin_weights=read(data.compact_skinning.joint_weights),
        base=read(data.base_vertices),
        directions=read(data.blendshape_dirs),
        faces=np.asarray(data.faces, np.int64),
        corrective_hidden=read(data.correctives.hidden_weights),
        corrective_output=csr_array((read(basis.values), places), shape=basis.shape),
    )
