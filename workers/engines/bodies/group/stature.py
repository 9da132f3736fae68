"""Stature in metres, and the shape of Anny's body that has it.

Slopes of Anny's stature by its shape, for which it is nearly linear: `test_stature.py` compares them with the
model's own vertices.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.kinematics import SHAPE

Floats = NDArray[np.float64]
# Metres of a neutral adult, and by how many each unit of height, sex and youth changes them.
NEUTRAL_METRES, METRES_PER_HEIGHT, METRES_PER_SEX, METRES_PER_YOUTH = 1.702, 0.109, -0.070, -0.405
# Mean of adults of both sexes, who have no youth (NCD-RisC, eLife 5, 2016: 1.71 and 1.59 m worldwide, 1.78
# and 1.65 m in Europe), and the youth of the smallest children.
ADULT_METRES, MAX_YOUTH = 1.69, 2.2


def estimate_stature(shape: Floats) -> float:
    """The stature in metres of a shape (S,) of a fit."""
    height, _, sex, youth = shape[:4]
    return float(
        NEUTRAL_METRES + METRES_PER_HEIGHT * height + METRES_PER_SEX * sex + METRES_PER_YOUTH * youth
    )


def expect_youth(stature: Floats | float) -> Floats:
    """Anny's youth of people of a stature in metres."""
    youth = (np.asarray(stature) - ADULT_METRES) / METRES_PER_YOUTH
    return np.asarray(np.clip(youth, 0.0, MAX_YOUTH), dtype=np.float64)


def make_shape(stature: float) -> Floats:
    """The shape (S,) of a fit whose body has a stature in metres, at the age that goes with it."""
    shape = np.zeros(len(SHAPE))
    shape[3] = float(expect_youth(stature))
    shape[0] = (stature - NEUTRAL_METRES - METRES_PER_YOUTH * shape[3]) / METRES_PER_HEIGHT
    return shape
