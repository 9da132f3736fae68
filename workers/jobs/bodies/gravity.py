"""Which way is down in an image, as far as the request or its EXIF block says so."""

import numpy as np
from maquette.contract import BodiesJob

from workers.engines.protocols import Gravity


def read_gravity(request: BodiesJob, elevation_deg: float | None = None) -> Gravity | None:
    """The gravity in the camera frame, of the request, else of an elevation that EXIF states; else None.

    EXIF 2.32 (tag 0x9405) states the optical axis alone: the camera is then taken to have no roll.
    """
    if request.gravity is not None:
        x, y, z = request.gravity
    elif request.camera_pitch_deg is not None:
        x, y, z = _pitch(request.camera_pitch_deg)
    elif elevation_deg is not None:
        return Gravity(direction=_pitch(-elevation_deg), source="exif")
    else:
        return None
    length = float(np.linalg.norm((x, y, z)))
    return Gravity(direction=(x / length, y / length, z / length), source="given")


def _pitch(degrees: float) -> tuple[float, float, float]:
    """The direction of gravity for a camera that looks so much below the horizon."""
    pitch = np.radians(degrees)
    return 0.0, float(np.cos(pitch)), float(np.sin(pitch))
