"""One body of an image as a record: parameters, keypoints under three naming schemes, camera."""

import math
from typing import Any

import numpy as np

from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.keypoint_sets import KeypointSet, to_coco17, to_openpose25
from workers.engines.protocols import BodyEstimate, Rig
from workers.formats.annotated_arrays import AnnotatedArray
from workers.geometry.cameras import Camera

CAMERA_FRAME = "camera (OpenCV: x right, y down, z forward)"
REST_FRAME = "rest (y up, facing +z, left hand at +x)"
IMAGE_FRAME = "image (origin at the top left corner, pixel centres at +0.5)"
POSING_FORMULA = "t_j = t_p + G_p (r_j - r_p), G_j = G_p R_j; v' = sum_k w_k (G_k (v - r_k) + t_k)"
# Arrays of the mesh, which JSON leaves to the NPZ.
MESH_ARRAYS = frozenset({"rest_vertices", "faces", "skin_joints", "skin_weights"})


def list_body_arrays(body: BodyEstimate, *, vertices: bool) -> dict[str, AnnotatedArray]:
    """The arrays of one body; posed vertices only on request."""
    rig = body.rig
    points = KeypointSet(body.keypoint_names, body.keypoints_2d, body.keypoints_3d, body.keypoint_visibility)
    columns = list_rig_arrays(rig)
    columns["joint_rotations"] = AnnotatedArray(rig.rotations, "local rotations wxyz, relative to the parent")
    columns["root_translation"] = AnnotatedArray(
        rig.root_translation, "position of the root", "m", CAMERA_FRAME
    )
    columns["joints"] = AnnotatedArray(body.joints, "posed joints", "m", CAMERA_FRAME)
    columns |= list_keypoint_arrays(points, CAMERA_FRAME)
    for name, values in body.parameters.items():
        columns[f"parameter_{name}"] = AnnotatedArray(
            np.asarray(values, dtype=np.float64), "engine's own parameter"
        )
    columns["box"] = AnnotatedArray(np.asarray(body.box), "xyxy, end-exclusive", "px", IMAGE_FRAME)
    if vertices:
        columns["vertices"] = AnnotatedArray(
            body.vertices.astype(np.float32), "posed vertices", "m", CAMERA_FRAME
        )
    return columns


def describe_body(body: BodyEstimate, engine: str) -> dict[str, Any]:
    """The header of a body's record."""
    return {
        "format": "maquette-body/1",
        "engine": engine,
        "camera": describe_camera(body.camera),
        "scale_source": body.scale_source,
        "confidence": body.confidence,
        "reprojection_error_px": body.reprojection_error,
        "flags": list(body.flags),
        "humanoid": map_humanoid_joints(body.rig.joint_names),
        "posing": POSING_FORMULA,
    }


def list_rig_arrays(rig: Rig) -> dict[str, AnnotatedArray]:
    """The arrays of a rig in its rest pose."""
    return {
        "joint_names": AnnotatedArray(np.array(rig.joint_names), "joints, parents first"),
        "parents": AnnotatedArray(rig.parents, "index of each joint's parent, -1 for the root"),
        "rest_joints": AnnotatedArray(rig.rest_joints, "joints at rest", "m", REST_FRAME),
        "rest_vertices": AnnotatedArray(
            rig.rest_vertices.astype(np.float32), "vertices at rest", "m", REST_FRAME
        ),
        "faces": AnnotatedArray(rig.faces.astype(np.int32), "triangles, counter-clockwise from outside"),
        "skin_joints": AnnotatedArray(
            rig.skin_joints.astype(np.int32), "the four strongest joints of a vertex"
        ),
        "skin_weights": AnnotatedArray(rig.skin_weights.astype(np.float32), "their weights, summing to 1"),
    }


def list_keypoint_arrays(points: KeypointSet, frame: str) -> dict[str, AnnotatedArray]:
    """Keypoints under the engine's names and as COCO-17 and OpenPose BODY_25."""
    columns: dict[str, AnnotatedArray] = {}
    sets = (
        ("keypoint", "keypoints", points),
        ("coco17", "coco17", to_coco17(points)),
        ("openpose25", "openpose25", to_openpose25(points)),
    )
    for singular, plural, named in sets:
        columns[f"{singular}_names"] = AnnotatedArray(np.array(named.names), "names of the points")
        columns[f"{plural}_2d"] = AnnotatedArray(named.xy, "as seen in the image", "px", IMAGE_FRAME)
        columns[f"{plural}_3d"] = AnnotatedArray(named.xyz, "on the body that was found", "m", frame)
        columns[f"{singular}_visibility"] = AnnotatedArray(named.visibility, "in [0, 1]")
        columns[f"{singular}_valid"] = AnnotatedArray(named.valid, "known, and visible at 0.5 or more")
    return columns


def describe_camera(camera: Camera) -> dict[str, Any]:
    """A camera as in headers; the field of view is horizontal and in degrees."""
    return {
        **{name: getattr(camera, name) for name in ("width", "height", "fx", "fy", "cx", "cy", "source")},
        "field_of_view": math.degrees(2 * math.atan(camera.width / 2 / camera.fx)),
    }
