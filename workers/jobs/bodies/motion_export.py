"""Writes a motion as an animated GLB and as BVH, one BVH per span."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.export import add_rig
from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.formats.bvh import write_bvh
from workers.formats.glb_builder import GlbBuilder
from workers.jobs.bodies.motion import BodyMotion
from workers.jobs.bodies.smoothing import slerp

Floats = NDArray[np.float64]
# Rotation from the motion's frame, by its up axis, to the y-up frame of files.
FILE_FROM_MOTION = {
    "-y": np.diag([1.0, -1.0, -1.0]),
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}
# Joints whose quaternion components change by less through the video get no keys. Above the rounding of
# float64, far below a visible rotation; not tuned.
MIN_SWING = 1e-6
# Frame intervals that differ by less, in seconds, count as an even rate. Chosen, not measured.
EVEN_RATE_SECONDS = 1e-3
# The frame time that a BVH of one frame states, in seconds: the format requires one.
SINGLE_FRAME_SECONDS = 1 / 30


def write_motion_glb(
    motion: BodyMotion, name: str, extras: dict[str, Any], file_from_motion: Floats
) -> bytes:
    """A skinned GLB with one animation per span, keys at the times of the frames; metres, y up.

    Unless it is played, the file shows the pose of its first frame. Joints that never turn have no keys.
    """
    builder = GlbBuilder()
    first = motion.spans[0].start
    nodes = add_rig(builder, name, motion.pose(first), extras, file_from_motion)
    known = np.isfinite(motion.positions).all(axis=1)
    swing = np.ptp(motion.rotations[known], axis=0).max(axis=-1)
    for number, span in enumerate(motion.spans):
        rotations, positions = to_file_frame(motion, span, file_from_motion)
        moving = {nodes[j]: rotations[:, j] for j in range(len(nodes)) if j == 0 or swing[j] > MIN_SWING}
        clip = name if len(motion.spans) == 1 else f"{name}-{number}"
        builder.add_animation(clip, motion.seconds[span], moving, {nodes[0]: positions})
    return builder.build()


def write_motion_bvh(motion: BodyMotion, span: slice, file_from_motion: Floats) -> bytes:
    """One span as BVH; frames at an uneven rate are resampled to an even one by SLERP."""
    rotations, positions = to_file_frame(motion, span, file_from_motion)
    seconds = motion.seconds[span]
    steps = np.diff(seconds)
    step = float(np.median(steps)) if len(steps) else SINGLE_FRAME_SECONDS
    if len(steps) and np.ptp(steps) > EVEN_RATE_SECONDS:
        even = np.arange(seconds[0], seconds[-1] + step / 2, step)
        rotations, positions = _resample(seconds, rotations, positions, np.minimum(even, seconds[-1]))
    elif len(steps):
        step = float(steps.mean())
    rig = motion.rig
    return write_bvh(
        rig.joint_names, rig.parents, rig.rest_joints, from_quaternions(rotations), positions, step
    )


def to_file_frame(motion: BodyMotion, span: slice, file_from_motion: Floats) -> tuple[Floats, Floats]:
    """Local rotations (T, J, 4) and root positions (T, 3) of a span in the frame of files."""
    rotations = motion.rotations[span].copy()
    rotations[:, 0] = quaternions(file_from_motion @ from_quaternions(rotations[:, 0]))
    return rotations, motion.positions[span] @ file_from_motion.T


def _resample(seconds: Floats, rotations: Floats, positions: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    after = np.clip(np.searchsorted(seconds, wanted, side="right"), 1, len(seconds) - 1)
    share = (wanted - seconds[after - 1]) / (seconds[after] - seconds[after - 1])
    shares = np.broadcast_to(share[:, None], (len(wanted), rotations.shape[1]))
    mixed = positions[after - 1] + share[:, None] * (positions[after] - positions[after - 1])
    return slerp(rotations[after - 1], rotations[after], shares), mixed
