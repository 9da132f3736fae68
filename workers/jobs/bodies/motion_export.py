"""A motion as files: an animated GLB, a BVH for every span, and a record of everything."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.export import add_rig
from workers.engines.bodies.joint_names import map_humanoid_joints
from workers.engines.bodies.keypoint_sets import KeypointSet
from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.formats.annotated_arrays import AnnotatedArray
from workers.formats.bvh import write_bvh
from workers.formats.glb_builder import GlbBuilder
from workers.geometry.cameras import Camera
from workers.jobs.bodies.body_record import (
    CAMERA_FRAME,
    IMAGE_FRAME,
    describe_camera,
    list_keypoint_arrays,
    list_rig_arrays,
)
from workers.jobs.bodies.motion import BodyMotion, TrackEstimates
from workers.jobs.bodies.smoothing import slerp

Floats = NDArray[np.float64]
WORLD_FRAME = "world (as given by world_from_cam)"
# From the motion's frame, by its up, to the files' y up.
FILE_FROM_MOTION = {
    "-y": np.diag([1.0, -1.0, -1.0]),
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}
# A joint that turns by less than this through the whole video needs no keys.
STILL = 1e-6
# Frame times that differ by less are one rate.
EVEN_SECONDS = 1e-3
ALONE_SECONDS = 1 / 30


def write_motion_glb(motion: BodyMotion, name: str, extras: dict[str, Any], to_file: Floats) -> bytes:
    """A skinned GLB with one animation for every span, keys at the frames' own seconds; metres, y up.

    Without playback the file stands in the pose of its first frame. Joints that never turn have no keys.
    """
    builder = GlbBuilder()
    first = motion.spans[0].start
    nodes = add_rig(builder, name, motion.pose(first), extras, to_file)
    known = np.isfinite(motion.positions).all(axis=1)
    swing = np.ptp(motion.rotations[known], axis=0).max(axis=-1)
    for number, run in enumerate(motion.spans):
        turned, placed = to_file_frame(motion, run, to_file)
        moving = {nodes[j]: turned[:, j] for j in range(len(nodes)) if j == 0 or swing[j] > STILL}
        clip = name if len(motion.spans) == 1 else f"{name}-{number}"
        builder.add_animation(clip, motion.seconds[run], moving, {nodes[0]: placed})
    return builder.build()


def write_motion_bvh(motion: BodyMotion, run: slice, to_file: Floats) -> bytes:
    """One span as BVH; frames of an uneven rate are put on an even one by SLERP."""
    turned, placed = to_file_frame(motion, run, to_file)
    seconds = motion.seconds[run]
    steps = np.diff(seconds)
    step = float(np.median(steps)) if len(steps) else ALONE_SECONDS
    if len(steps) and np.ptp(steps) > EVEN_SECONDS:
        even = np.arange(seconds[0], seconds[-1] + step / 2, step)
        turned, placed = _resampled(seconds, turned, placed, np.minimum(even, seconds[-1]))
    elif len(steps):
        step = float(steps.mean())
    rig = motion.rig
    return write_bvh(rig.joint_names, rig.parents, rig.rest_joints, from_quaternions(turned), placed, step)


def to_file_frame(motion: BodyMotion, run: slice, to_file: Floats) -> tuple[Floats, Floats]:
    """Local rotations (T, J, 4) and root positions (T, 3) of a span in a file's frame."""
    turned = motion.rotations[run].copy()
    turned[:, 0] = quaternions(to_file @ from_quaternions(turned[:, 0]))
    return turned, motion.positions[run] @ to_file.T


def list_motion_arrays(
    motion: BodyMotion, seen: TrackEstimates, names: tuple[str, ...], world_from_cam: Floats | None
) -> dict[str, AnnotatedArray]:
    """The arrays of one track; row k is frame `frames[k]`. KeypointSet stay in the camera's frame."""
    frame = CAMERA_FRAME if world_from_cam is None else WORLD_FRAME
    at = seen.frames - motion.frames[0]
    count = len(motion.frames)
    columns = list_rig_arrays(motion.rig)
    columns["frames"] = AnnotatedArray(motion.frames, "frames of the video, from 0")
    columns["seconds"] = AnnotatedArray(motion.seconds, "time of each frame from the video's first", "s")
    columns["state"] = AnnotatedArray(motion.state, "0 open (no body), 1 found, 2 filled between neighbours")
    columns["joint_rotations"] = AnnotatedArray(
        _small(motion.rotations), "local rotations wxyz, filled and smoothed"
    )
    columns["joint_rotations_raw"] = AnnotatedArray(
        _small(motion.raw_rotations), "the same as they were found"
    )
    columns["root_translation"] = AnnotatedArray(
        motion.positions, "the root, filled and smoothed", "m", frame
    )
    columns["root_translation_raw"] = AnnotatedArray(
        motion.raw_positions, "the root as it was found", "m", frame
    )
    columns["joints"] = AnnotatedArray(
        _small(motion.joints()), "posed joints, filled and smoothed", "m", frame
    )
    points = KeypointSet(
        names,
        _spread(seen.keypoints_2d, at, count),
        _spread(seen.keypoints_3d, at, count),
        _spread(seen.visibility, at, count),
    )
    columns |= list_keypoint_arrays(points, CAMERA_FRAME)
    columns["boxes"] = AnnotatedArray(
        _spread(seen.boxes, at, count), "xyxy, end-exclusive", "px", IMAGE_FRAME
    )
    columns["confidence"] = AnnotatedArray(_spread(seen.confidence, at, count), "in [0, 1]")
    columns["reprojection_error"] = AnnotatedArray(_spread(seen.errors, at, count), "weighted RMS", "px")
    if world_from_cam is not None:
        columns["world_from_cam"] = AnnotatedArray(
            world_from_cam[motion.frames], "as given; p_world = M p_camera", "m"
        )
    for name, values in motion.parameters.items():
        columns[f"parameter_{name}"] = AnnotatedArray(
            np.asarray(values), "engine's own parameter, robust mean"
        )
    return columns


def describe_motion(
    motion: BodyMotion, engine: str, camera: Camera, scale_source: str, space: str
) -> dict[str, Any]:
    """What the header of a track's record says."""
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
        "posing": "t_j = t_p + G_p (r_j - r_p), G_j = G_p R_j; v' = sum_k w_k (G_k (v - r_k) + t_k)",
    }


def _small(values: Floats) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _spread(values: Floats, at: NDArray[np.int64], count: int) -> Floats:
    """Rows of seen frames at their places among `count`; the others are NaN."""
    out = np.full((count, *values.shape[1:]), np.nan)
    out[at] = values
    return out


def _resampled(seconds: Floats, turned: Floats, placed: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    after = np.clip(np.searchsorted(seconds, wanted, side="right"), 1, len(seconds) - 1)
    share = (wanted - seconds[after - 1]) / (seconds[after] - seconds[after - 1])
    shares = np.broadcast_to(share[:, None], (len(wanted), turned.shape[1]))
    mixed = placed[after - 1] + share[:, None] * (placed[after] - placed[after - 1])
    return slerp(turned[after - 1], turned[after], shares), mixed
