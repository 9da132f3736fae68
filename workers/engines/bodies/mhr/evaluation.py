"""Evaluates MHR from its assets with `body-models`: NumPy only, neither torch nor pymomentum."""

from pathlib import Path
from typing import Any

import numpy as np

from workers.engines.bodies.mhr.assets import REQUIRED, MhrCorrupt, MhrMissing
from workers.engines.bodies.mhr.layout import JOINTS, PARAMETERS, VERTICES
from workers.engines.bodies.mhr.model import Floats, Ints, MhrPose, SkinnedMesh, keep_strongest


class BodyModelsMhr:
    """The model of an assets folder; one per process, 18439 vertices and 127 joints."""

    def __init__(self, folder: Path) -> None:
        """Load it. Raises MhrMissing without the folder or the package, MhrCorrupt for another model."""
        missing = [name for name in REQUIRED if not (folder / name).is_file()]
        if missing:
            raise MhrMissing(f"{folder} lacks {', '.join(missing)}")
        try:
            from body_models.mhr._pose import unpack_pose
            from body_models.mhr.numpy import MHR
        except ImportError as error:
            raise MhrMissing(
                f"body-models 0.26 is needed to evaluate MHR ({error}): install the extra sam3d-body"
            ) from error
        try:
            self._model: Any = MHR(model_path=folder)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise MhrCorrupt(f"{folder} cannot be read as MHR: {error}") from error
        self._unpack = unpack_pose
        self._parents = np.asarray(self._model.parents, dtype=np.int64)
        self._names = tuple(str(name) for name in self._model.joint_names)
        joints, weights = keep_strongest(np.asarray(self._model.skin_weights))
        self._mesh = SkinnedMesh(np.asarray(self._model.faces, dtype=np.int64), joints, weights)
        self._check(folder)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the 127 joints."""
        return self._names

    @property
    def parents(self) -> Ints:
        """Parents (127,)."""
        return self._parents

    @property
    def mesh(self) -> SkinnedMesh:
        """The mesh and skin of LOD 1."""
        return self._mesh

    def pose(self, parameters: Floats) -> MhrPose:
        """All joints posed by the 204 parameters; raises ValueError for another number of them."""
        if parameters.shape != (PARAMETERS,):
            raise ValueError(f"MHR has {PARAMETERS} parameters, got {parameters.shape}")
        body, head, hand = self._unpack(np, parameters[None])
        world = np.asarray(self._model.forward_skeleton(body, head, hand), dtype=np.float64)[0]
        # Bones have sizes: the linear part is a rotation times a uniform scale.
        scale = np.cbrt(np.linalg.det(world[:, :3, :3]))
        return MhrPose(world[:, :3, :3] / scale[:, None, None], world[:, :3, 3])

    def _check(self, folder: Path) -> None:
        count = len(self._parents)
        if (count, len(self._names), len(self._mesh.skin_joints)) != (JOINTS, JOINTS, VERTICES):
            size = f"{count} joints and {len(self._mesh.skin_joints)} vertices"
            raise MhrCorrupt(f"{folder} holds a model of {size}, MHR has {JOINTS} and {VERTICES}")
        later = self._parents[1:]
        if self._parents[0] != -1 or (later >= np.arange(1, count)).any() or (later < 0).any():
            raise MhrCorrupt(f"the joints of {folder} do not come parents first")
