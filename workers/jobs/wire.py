"""Geometry as the contract writes it."""

from maquette.contract import Box, CameraModel, FloorPlane, Gravity, Pose

from workers.engines.protocols import BodyEstimate
from workers.engines.protocols import Box as BoxTuple
from workers.geometry.cameras import Camera
from workers.geometry.poses import Similarity


def to_wire_box(box: BoxTuple) -> Box:
    """An xyxy box in pixels."""
    return Box(x0=box[0], y0=box[1], x1=box[2], y1=box[3])


def to_wire_camera(camera: Camera) -> CameraModel:
    """Intrinsics in pixels, with their source."""
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
    """A pose that maps object to camera coordinates."""
    return Pose(rotation_wxyz=pose.rotation, translation=pose.translation, scale=pose.scale)


def to_wire_floor(body: BodyEstimate) -> FloorPlane | None:
    """The floor of the image that a body is in; None where it is unknown."""
    floor = body.floor
    if floor is None:
        return None
    return FloorPlane(normal=floor.normal, offset_m=floor.offset, feet=floor.feet, people=floor.people)


def to_wire_gravity(body: BodyEstimate) -> Gravity | None:
    """Which way is down in the image that a body is in; None where it is unknown."""
    gravity = body.gravity
    return None if gravity is None else Gravity(direction=gravity.direction, source=gravity.source)
