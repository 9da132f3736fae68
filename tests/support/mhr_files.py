"""Writes made-up assets in MHR's layout, as `body-models` reads them; torch writes the model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from workers.engines.bodies.mhr.arrays import EXPRESSION, IDENTITY, MhrArrays


class Holder(torch.nn.Module):
    """A module that holds values and does nothing."""

    def __init__(self, modules: dict[str, Any], **values: Any) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                self.register_buffer(name, torch.from_numpy(value))
            else:
                setattr(self, name, value)

    def forward(self) -> int:
        return 0


def write_correctives(folder: Path, vertices: int) -> None:
    """Pose correctives that move nothing."""
    np.savez(
        folder / "corrective_activation.npz",
        **{"0.sparse_indices": np.zeros((2, 1), np.int64), "0.sparse_weight": np.zeros(1, np.float32)},
    )
    blend = np.zeros((1, vertices, 3), np.float32)
    np.savez(folder / "corrective_blendshapes_lod1.npz", corrective_blendshapes=blend)


def save_model(
    folder: Path, skeleton: Holder, skinning: Holder, transform: Any, base: Any, faces: Any
) -> None:
    """Write `mhr_model.pt`: a skeleton, a skin, a transform (7 J, 249), vertices (V, 3), faces (F, 3)."""
    count = len(base)
    character = Holder(
        {
            "skeleton": skeleton,
            "linear_blend_skinning": skinning,
            "blend_shape": Holder(
                {}, base_shape=base, shape_vectors=np.zeros((IDENTITY, count, 3), np.float32)
            ),
            "parameter_transform": Holder({}, parameter_transform=transform),
            "mesh": Holder({}, faces=faces),
        }
    )
    expressions = Holder({}, shape_vectors=np.zeros((EXPRESSION, count, 3), np.float32))
    model = Holder({"character_torch": character, "face_expressions_model": expressions})
    torch.jit.script(model).save(str(folder / "mhr_model.pt"))


def write_mhr(folder: Path, arrays: MhrArrays) -> None:
    """The assets of a body without shape directions and correctives."""
    joints, (vertices, riders) = len(arrays.parents), arrays.skin_joints.shape
    bind = np.zeros((joints, 8), np.float32)
    bind[:, :3], bind[:, 7] = arrays.bind_translation, 1
    bind[:, 3:7] = Rotation.from_matrix(arrays.bind_linear).as_quat()
    skinning = Holder(
        {},
        vert_indices_flattened=np.repeat(np.arange(vertices), riders),
        skin_indices_flattened=arrays.skin_joints.ravel(),
        skin_weights_flattened=arrays.skin_weights.ravel().astype(np.float32),
        inverse_bind_pose=bind,
    )
    skeleton = Holder(
        {},
        joint_parents=arrays.parents,
        joint_names=list(arrays.joint_names),
        joint_translation_offsets=arrays.offsets.astype(np.float32),
        joint_prerotations=Rotation.from_matrix(arrays.before).as_quat().astype(np.float32),
    )
    transform = np.pad(arrays.transform.astype(np.float32), ((0, 0), (0, IDENTITY)))
    save_model(folder, skeleton, skinning, transform, arrays.base.astype(np.float32), arrays.faces)
    write_correctives(folder, vertices)
