"""Which camera an image has: the request's, the EXIF's, or an assumption that is flagged."""

import math

from maquette.contract import CameraModel, Intrinsics, Pose

from workers.errors import JobProblem
from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity
from workers.jobs.media_loader import LoadedImage

FILM_DIAGONAL_MM = 43.2666


def find_measured_camera(image: LoadedImage, given: Intrinsics | None) -> Camera | None:
    """Intrinsics that somebody measured; None when there are none, and the engine has to assume."""
    return choose_camera(image, given) if given is not None or image.focal_35mm else None


def choose_camera(image: LoadedImage, given: Intrinsics | None) -> Camera:
    """Intrinsics from the best available source; raises JobProblem (`camera_implausible`)."""
    if given is not None:
        return parse_intrinsics(given, image.width, image.height)
    if image.focal_35mm:
        focal = image.focal_35mm / FILM_DIAGONAL_MM * math.hypot(image.width, image.height)
        return Camera(
            image.width, image.height, focal, focal, image.width / 2, image.height / 2, source="exif"
        )
    return Camera.assumed(image.width, image.height)


def parse_intrinsics(given: Intrinsics, width: int, height: int) -> Camera:
    """The request's camera; raises JobProblem when no camera can have such intrinsics."""
    if why := given.why_implausible(width, height):
        raise JobProblem("camera_implausible", why)
    return Camera(width, height, given.fx, given.fy, given.cx, given.cy, source="given")


def to_wire_camera(camera: Camera) -> CameraModel:
    """A camera as the contract tells it."""
    return CameraModel(
        width=camera.width,
        height=camera.height,
        fx=camera.fx,
        fy=camera.fy,
        cx=camera.cx,
        cy=camera.cy,
        source=camera.source,
    )


def to_wire_pose(pose: Similarity) -> Pose:
    """A pose as the contract tells it."""
    return Pose(rotation_wxyz=pose.rotation, translation=pose.translation, scale=pose.scale)
