"""The user's own SMPL models, which 3DPW and EMDB state their bodies in.

Below `smpl` of the dataset's folder: `SMPL_{MALE,FEMALE,NEUTRAL}.npz` with the arrays of the model under
their own names, for 3DPW `J_regressor_h36m.npy` (17, V), and for bodies of MHR `mhr2smpl_mapping.npz` of
Meta's conversion tool. The model's pickles hold code and are never opened.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.smplx.model import SmplxFileError, SmplxModel
from workers.engines.bodies.smplx.surface_map import SurfaceMap, SurfaceMapError
from workers.evaluation.datasets.files import require_file
from workers.evaluation.errors import LayoutError

Floats = NDArray[np.float64]
JOINTS = 24
GENDERS = {"m": "MALE", "male": "MALE", "f": "FEMALE", "female": "FEMALE", "neutral": "NEUTRAL"}
# the 14 joints of LSP among the 17 of Human3.6M: ankles, knees, hips, wrists, elbows, shoulders, neck, head
H36M_TO_LSP = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]


class SmplModels:
    """The models by gender and what goes with them, each read when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._models: dict[str, SmplxModel] = {}

    def load(self, gender: str) -> SmplxModel:
        """The model of a gender as the datasets name it; raises LayoutError."""
        path = self._locate(gender)
        if path.name not in self._models:
            try:
                model = SmplxModel.load(path)
            except SmplxFileError as error:
                raise LayoutError(f"{path} is no SMPL model in NPZ form: {error}") from error
            if len(model.parents) != JOINTS:
                raise LayoutError(f"{path} has {len(model.parents)} joints, SMPL has {JOINTS}")
            self._models[path.name] = model
        return self._models[path.name]

    @property
    def files(self) -> list[Path]:
        """Every array file that bodies may depend on."""
        return sorted(path for path in self._folder.iterdir() if path.suffix in (".npz", ".npy"))

    @cached_property
    def joint_regressor(self) -> Floats:
        """From vertices to the 24 joints of the neutral model, (24, V); raises LayoutError."""
        self.load("neutral")
        with np.load(self._locate("neutral"), allow_pickle=False) as data:
            return np.asarray(data["J_regressor"], np.float64)

    @cached_property
    def lsp_regressor(self) -> Floats:
        """From vertices to the 14 joints of LSP, (14, V); raises LayoutError."""
        path = require_file(self._folder / "J_regressor_h36m.npy", "the regressor of Human3.6M's joints")
        matrix = np.asarray(np.load(path, allow_pickle=False), np.float64)
        if matrix.ndim != 2 or len(matrix) != 17:
            raise LayoutError(f"{path} is of shape {matrix.shape}, not (17, V)")
        return matrix[H36M_TO_LSP]

    @cached_property
    def mhr_map(self) -> SurfaceMap | None:
        """Meta's map from MHR to SMPL, None where it is not there; raises LayoutError."""
        path = self._folder / "mhr2smpl_mapping.npz"
        if not path.is_file():
            return None
        try:
            return SurfaceMap.load(path)
        except SurfaceMapError as error:
            raise LayoutError(str(error)) from error

    def _locate(self, gender: str) -> Path:
        if gender not in GENDERS:
            raise LayoutError(f"no SMPL model is known for the gender {gender!r}")
        return require_file(self._folder / f"SMPL_{GENDERS[gender]}.npz", "your SMPL model")
