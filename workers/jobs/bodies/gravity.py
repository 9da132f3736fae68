"""Which way is down in an image, as far as the request says so."""

import numpy as np
from maquette.contract import BodiesJob

from workers.engines.protocols import Gravity


def read_gravity(request: BodiesJob) -> Gravity | None:
    """The gravity of the request in the camera frame; None where the request says nothing."""
    if request.gravity is not None:
        x, y, z = request.gravity
    elif request.camera_pitch_deg is not None:
        pitch = np.radians(request.camera_pitch_deg)
        x, y, z = 0.0, float(np.cos(pitch)), float(np.sin(pitch))
    else:
        return None
    length = float(np.linalg.norm((x, y, z)))
    return Gravity(direction=(x / length, y / length, z / length), source="given")
