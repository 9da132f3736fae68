"""The user's own SMPL models, which 3DPW and EMDB state their bodies in.

Below `smpl` of the dataset's folder: `SMPL_{MALE,FEMALE,NEUTRAL}.npz` with the arrays of the model under
their own names, and for 3DPW `J_regressor_h36m.npy` (17, V). The model's pickles hold code and are never
opened.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.smplx.model import SmplxFileError, SmplxModel
from workers.evaluation.datasets.files import require_file
from workers.evaluation.errors import LayoutError

Floats = NDArray[np.float64]
JOINTS = 24
GENDERS = {"m": "MALE", "male": "MALE", "f": "FEMALE", "female": "FEMALE", "neutral": "NEUTRAL"}
# the 14 joints of LSP among the 17 of Human3.6M: ankles, knees, hips, wrists, elbows, shoulders, neck, head
H36M_TO_LSP = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]


class SmplModels:
    """The models by gender, each read when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._models: dict[str, SmplxModel] = {}
        self._regressor: Floats | None = None

    def load(self, gender: str) -> SmplxModel:
        """The model of a gender as the datasets name it; raises LayoutError."""
        if gender not in GENDERS:
            raise LayoutError(f"no SMPL model is known for the gender {gender!r}")
        name = f"SMPL_{GENDERS[gender]}.npz"
        if name not in self._models:
            path = require_file(self._folder / name, "your SMPL model")
            try:
                model = SmplxModel.load(path)
            except SmplxFileError as error:
                raise LayoutError(f"{path} is no SMPL model in NPZ form: {error}") from error
            if len(model.parents) != JOINTS:
                raise LayoutError(f"{path} has {len(model.parents)} joints, SMPL has {JOINTS}")
            self._models[name] = model
        return self._models[name]

    def load_h36m_regressor(self) -> Floats:
        """From vertices to the 14 joints of LSP, (14, V); raises LayoutError."""
        if self._regressor is None:
            path = require_file(self._folder / "J_regressor_h36m.npy", "the regressor of Human3.6M's joints")
            matrix = np.asarray(np.load(path, allow_pickle=False), np.float64)
            if matrix.ndim != 2 or len(matrix) != 17:
                raise LayoutError(f"{path} is of shape {matrix.shape}, not (17, V)")
            self._regressor = matrix[H36M_TO_LSP]
        return self._regressor
