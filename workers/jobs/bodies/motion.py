"""A person's motion through a video: raw poses, one shape, filled gaps, smoothed poses.

Poses are local rotations and the root's position, in the camera frame of each video frame or in one world
frame. The formula at the top of `workers.engines.bodies.anny` turns them into joints and vertices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.engines.protocols import Rig
from workers.jobs.bodies.gap_filling import ESTIMATED, fill_gaps, find_spans
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.mean_shape import measure_size, robust_weights
from workers.jobs.bodies.smoothing import smooth_positions, smooth_rotations
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BodyMotion:
    """T successive frames of one person; `rig` has the mean shape and the pose of the first frame.

    `frames` (T,) are numbers of video frames, `seconds` (T,) count from the video's first frame; `state`
    (T,) is OPEN, ESTIMATED or FILLED. `raw_rotations` (T, J, 4) and `raw_positions` (T, 3) are the engine's,
    `rotations` and `positions` have gaps filled and are smoothed; open frames are NaN. `foot_contact` (T, 2),
    left and right, is 1 where the foot stands, 0 where it does not, and NaN where that is unknown; `grounded`
    is whether the person is on the floor, None where that is unknown, as it is of one who `sits` throughout.
    """

    rig: Rig
    frames: NDArray[np.int64]
    seconds: Floats
    state: NDArray[np.uint8]
    raw_rotations: Floats
    raw_positions: Floats
    rotations: Floats
    positions: Floats
    foot_contact: Floats
    grounded: bool | None
    parameters: Mapping[str, list[float]]
    jitter_raw: float | None
    jitter: float | None
    sits: bool = False

    @property
    def spans(self) -> list[slice]:
        """Runs of frames without an open gap."""
        return find_spans(self.state)

    def pose(self, frame: int) -> Rig:
        """The rig in the pose of row `frame`, which must not be open."""
        return replace(self.rig, rotations=self.rotations[frame], root_translation=self.positions[frame])

    def vertices(self, frame: int) -> Floats:
        """Posed vertices (V, 3) in metres in the motion's frame."""
        return skin_rig(self.pose(frame))

    def joints(self) -> Floats:
        """Posed joints (T, J, 3), NaN where open."""
        return pose_frames(self.rig, self.rotations, self.positions)[1]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _RawMotion:
    """The estimates of T frames in the motion's frame: NaN where `estimated` (T,) is false."""

    frames: NDArray[np.int64]
    estimated: NDArray[np.bool_]
    rotations: Floats
    positions: Floats
    joints: Floats


def build_motion(
    rig: Rig,
    estimates: TrackEstimates,
    seconds: Floats,
    *,
    world_from_cam: Floats | None = None,
    smoothing: bool = True,
    max_gap: float = 0.5,
) -> BodyMotion:
    """The motion of one person.

    `rig` gives the joints and the skin, `seconds` the time of every frame of the video, `world_from_cam`
    (frames, 4, 4) the cameras if the motion shall be in the world; `max_gap` is in seconds. The shape is a
    robust mean. Size and distance cannot be separated in one frame, so the root of a frame whose body was
    larger than the mean moves towards the camera by their ratio: the body then covers the same pixels.
    """
    shaped, parameters, ratios = _average_shape(rig, estimates)
    raw = _place_in_frames(rig, estimates, ratios, world_from_cam)
    times = seconds[raw.frames]
    state, rotations, positions = fill_gaps(times, raw.estimated, raw.rotations, raw.positions, max_gap)
    if smoothing:
        for span in find_spans(state):
            frames = raw.frames[span]
            rotations[span] = smooth_rotations(rotations[span], times[span])
            positions[span] = _smooth_positions(positions[span], times[span], world_from_cam, frames)
    shaped = replace(shaped, rotations=rotations[0], root_translation=positions[0])
    estimated = state == ESTIMATED
    return BodyMotion(
        rig=shaped,
        frames=raw.frames,
        seconds=times,
        state=state,
        raw_rotations=raw.rotations,
        raw_positions=raw.positions,
        rotations=rotations,
        positions=positions,
        foot_contact=np.full((len(times), 2), np.nan),
        grounded=None,
        parameters=parameters,
        jitter_raw=measure_jitter(raw.joints, times, estimated),
        jitter=measure_jitter(pose_frames(shaped, rotations, positions)[1], times, estimated),
    )


def _average_shape(rig: Rig, estimates: TrackEstimates) -> tuple[Rig, dict[str, list[float]], Floats]:
    """The rig with the mean shape, the mean parameters, and per frame the mean size over its own (N,)."""
    samples = estimates.samples
    sampled_joints = estimates.rest_joints[samples]
    weights = robust_weights(sampled_joints, estimates.confidence[samples])
    rest_joints = np.tensordot(weights, sampled_joints, 1)
    rest_vertices = np.tensordot(weights, estimates.sample_vertices, 1)
    parameters = {
        name: np.tensordot(weights, values[samples], 1).tolist()
        for name, values in estimates.parameters.items()
    }
    ratios = measure_size(rest_joints) / measure_size(estimates.rest_joints)
    return replace(rig, rest_vertices=rest_vertices, rest_joints=rest_joints), parameters, ratios


def _place_in_frames(
    rig: Rig, estimates: TrackEstimates, ratios: Floats, world_from_cam: Floats | None
) -> _RawMotion:
    """The estimates in the motion's frame, one row per frame from the first to the last."""
    rotations, positions = estimates.rotations, estimates.positions * ratios[:, None]
    joints = _pose_estimates(rig, estimates)
    if world_from_cam is not None:
        poses = world_from_cam[estimates.frames]
        rotations, positions = _transform(rotations, positions, poses)
        joints = np.einsum("tab,tjb->tja", poses[:, :3, :3], joints) + poses[:, None, :3, 3]
    frames = np.arange(estimates.frames[0], estimates.frames[-1] + 1)
    rows = estimates.frames - frames[0]
    estimated = np.zeros(len(frames), dtype=np.bool_)
    estimated[rows] = True
    return _RawMotion(
        frames=frames,
        estimated=estimated,
        rotations=spread_rows(rotations, rows, len(frames)),
        positions=spread_rows(positions, rows, len(frames)),
        joints=spread_rows(joints, rows, len(frames)),
    )


def spread_rows(values: Floats, rows: NDArray[np.int64], count: int) -> Floats:
    """Values (N, ...) at `rows` (N,) of an array with `count` rows; the other rows are NaN."""
    out = np.full((count, *values.shape[1:]), np.nan)
    out[rows] = values
    return out


def measure_jitter(joints: Floats, seconds: Floats, counted: NDArray[np.bool_]) -> float | None:
    """Mean length of the joints' acceleration in m/s²; None without three counted frames in a row.

    `joints` (T, J, 3) metres. The second difference over uneven times: a_k = 2 (v_k+ - v_k-) / (t_k+1 -
    t_k-1).
    """
    middle = counted[:-2] & counted[1:-1] & counted[2:]
    if not middle.any():
        return None
    speed = np.diff(joints, axis=0) / np.diff(seconds)[:, None, None]
    acceleration = 2 * np.diff(speed, axis=0) / (seconds[2:] - seconds[:-2])[:, None, None]
    return float(np.linalg.norm(acceleration[middle], axis=-1).mean())


def _smooth_positions(
    positions: Floats, seconds: Floats, world_from_cam: Floats | None, frames: NDArray[np.int64]
) -> Floats:
    """World positions (T, 3) smoothed in the frames of their cameras."""
    if world_from_cam is None:
        return smooth_positions(positions, seconds)
    rotations, centres = world_from_cam[frames, :3, :3], world_from_cam[frames, :3, 3]
    in_camera = np.einsum("tba,tb->ta", rotations, positions - centres)
    smoothed = smooth_positions(in_camera, seconds)
    in_world: Floats = np.einsum("tab,tb->ta", rotations, smoothed) + centres
    return in_world


def _transform(rotations: Floats, positions: Floats, poses: Floats) -> tuple[Floats, Floats]:
    """Rotations (N, J, 4) and root positions (N, 3) after the transforms `poses` (N, 4, 4)."""
    out = rotations.copy()
    out[:, 0] = quaternions(poses[:, :3, :3] @ from_quaternions(rotations[:, 0]))
    return out, np.einsum("tab,tb->ta", poses[:, :3, :3], positions) + poses[:, :3, 3]


def _pose_estimates(rig: Rig, estimates: TrackEstimates) -> Floats:
    """Joints (N, J, 3) of each frame's own shape, in its camera's frame."""
    rows = zip(estimates.rest_joints, estimates.rotations, estimates.positions, strict=True)
    return np.stack(
        [pose_rig(replace(rig, rest_joints=r, rotations=q, root_translation=t))[1] for r, q, t in rows]
    )
