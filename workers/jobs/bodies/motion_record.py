"""A motion as a record of everything: arrays with units and frames, and a header."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.keypoint_sets import KeypointSet
from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.formats.annotated_arrays import AnnotatedArray
from workers.geometry.cameras import Camera
from workers.jobs.bodies.body_record import (
    CAMERA_FRAME,
    IMAGE_FRAME,
    POSING_FORMULA,
    describe_camera,
    list_keypoint_arrays,
    list_rig_arrays,
)
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.motion import BodyMotion, spread_rows
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]
WORLD_FRAME = "world (as given by world_from_cam)"
FLOOR_FRAME = "world (y up, origin on the floor below a camera that stands still)"


def list_motion_arrays(
    motion: BodyMotion, estimates: TrackEstimates, names: tuple[str, ...], world_from_cam: Floats | None
) -> dict[str, AnnotatedArray]:
    """The arrays of one track; row k is frame `frames[k]`. KeypointSet stay in the camera's frame."""
    frame = CAMERA_FRAME if world_from_cam is None else WORLD_FRAME
    rows = estimates.frames - motion.frames[0]
    count = len(motion.frames)
    columns = list_rig_arrays(motion.rig)
    columns["frames"] = AnnotatedArray(motion.frames, "frames of the video, from 0")
    columns["seconds"] = AnnotatedArray(motion.seconds, "time of each frame from the video's first", "s")
    columns["state"] = AnnotatedArray(motion.state, "0 open (no body), 1 found, 2 filled between neighbours")
    columns["joint_rotations"] = AnnotatedArray(
        _to_float32(motion.rotations), "local rotations wxyz, filled and smoothed"
    )
    columns["joint_rotations_raw"] = AnnotatedArray(
        _to_float32(motion.raw_rotations), "the same as they were found"
    )
    columns["root_translation"] = AnnotatedArray(
        motion.positions, "the root, filled and smoothed", "m", frame
    )
    columns["root_translation_raw"] = AnnotatedArray(
        motion.raw_positions, "the root as it was found", "m", frame
    )
    columns["joints"] = AnnotatedArray(
        _to_float32(motion.joints()), "posed joints, filled and smoothed", "m", frame
    )
    columns["foot_contact"] = AnnotatedArray(
        _to_float32(motion.foot_contact),
        "left and right foot: 1 stands on the floor, 0 does not, null unknown",
    )
    points = KeypointSet(
        names,
        spread_rows(estimates.keypoints_2d, rows, count),
        spread_rows(estimates.keypoints_3d, rows, count),
        spread_rows(estimates.visibility, rows, count),
    )
    columns |= list_keypoint_arrays(points, CAMERA_FRAME)
    columns["boxes"] = AnnotatedArray(
        spread_rows(estimates.boxes, rows, count), "xyxy, end-exclusive", "px", IMAGE_FRAME
    )
    columns["confidence"] = AnnotatedArray(spread_rows(estimates.confidence, rows, count), "in [0, 1]")
    columns["reprojection_error"] = AnnotatedArray(
        spread_rows(estimates.errors, rows, count), "weighted RMS", "px"
    )
    if world_from_cam is not None:
        columns["world_from_cam"] = AnnotatedArray(
            world_from_cam[motion.frames], "as given; p_world = M p_camera", "m"
        )
    for name, values in motion.parameters.items():
        columns[f"parameter_{name}"] = AnnotatedArray(
            np.asarray(values), "engine's own parameter, robust mean"
        )
    return columns


def list_world_arrays(
    motion: BodyMotion, ground: Ground, moved: NDArray[np.bool_]
) -> dict[str, AnnotatedArray]:
    """The motion of a camera that stands still in a world with gravity, beside that in the camera's frame.

    It is unknown in frames (T,) in which the camera had `moved`.
    """
    pose = ground.world_from_ground()
    turn, shift = pose[:3, :3], pose[:3, 3]
    known = np.where(moved, np.nan, 1.0)[:, None]
    roots = known * quaternions(turn @ from_quaternions(motion.rotations[:, 0]))
    return {
        "world_from_cam": AnnotatedArray(
            pose, "of every frame but those in which the camera moved; p_world = M p_camera", "m"
        ),
        "root_rotation_world": AnnotatedArray(
            _to_float32(roots), "rotations of the root wxyz, filled and smoothed", frame=FLOOR_FRAME
        ),
        "root_translation_world": AnnotatedArray(
            known * (motion.positions @ turn.T + shift), "the root, filled and smoothed", "m", FLOOR_FRAME
        ),
        "joints_world": AnnotatedArray(
            _to_float32(known[:, None] * (motion.joints() @ turn.T + shift)),
            "posed joints, filled and smoothed",
            "m",
            FLOOR_FRAME,
        ),
    }


def describe_motion(
    motion: BodyMotion, engine: str, camera: Camera, scale_source: str, space: str
) -> dict[str, Any]:
    """The header of a track's record."""
    return {
        "format": "maquette-body-track/1",
        "engine": engine,
        "camera": describe_camera(camera),
        "space": space,
        "scale_source": scale_source,
        "jitter_raw_m_s2": motion.jitter_raw,
        "jitter_m_s2": motion.jitter,
        "spans": [[int(motion.frames[s.start]), int(motion.frames[s.stop - 1])] for s in motion.spans],
        "humanoid": map_humanoid_joints(motion.rig.joint_names),
        "posing": POSING_FORMULA,
    }


def _to_float32(values: Floats) -> NDArray[np.float32]:
    return values.astype(np.float32)
