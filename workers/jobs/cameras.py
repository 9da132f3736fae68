"""The intrinsics of an image: the request's, else the EXIF's, else assumed."""

import math

from maquette.contract import Intrinsics

from workers.errors import JobProblem
from workers.geometry.cameras import Camera
from workers.jobs.media_loader import LoadedImage

# diagonal of a 24 x 36 mm frame, which "35 mm equivalent" focal lengths refer to
FULL_FRAME_DIAGONAL_MM = 43.2666


def find_measured_camera(image: LoadedImage, given: Intrinsics | None) -> Camera | None:
    """Intrinsics of the request or the EXIF; None when there are neither, and the engine has to assume."""
    return choose_camera(image, given) if given is not None or image.focal_35mm else None


def choose_camera(image: LoadedImage, given: Intrinsics | None) -> Camera:
    """Intrinsics from the best available source; raises JobProblem (`camera_implausible`)."""
    if given is not None:
        return parse_intrinsics(given, image.width, image.height)
    if image.focal_35mm:
        focal = image.focal_35mm / FULL_FRAME_DIAGONAL_MM * math.hypot(image.width, image.height)
        return Camera(
            image.width, image.height, focal, focal, image.width / 2, image.height / 2, source="exif"
        )
    return Camera.assumed(image.width, image.height)


def parse_intrinsics(given: Intrinsics, width: int, height: int) -> Camera:
    """The request's intrinsics for an image of that size; raises JobProblem (`camera_implausible`)."""
    if why := given.why_implausible(width, height):
        raise JobProblem("camera_implausible", why)
    return Camera(width, height, given.fx, given.fy, given.cx, given.cy, source="given")
