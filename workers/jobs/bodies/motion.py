"""A person's motion through a video: poses as they were found, one shape, gaps filled, smoothed.

Poses are local rotations and the root's position, in the camera's frame of each frame or in one world frame.
The formula at the head of `workers.engines.bodies.anny` turns them into joints and vertices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.rotations import from_quaternions, quaternions
from workers.engines.protocols import Rig
from workers.jobs.bodies.gap_filling import ESTIMATED, fill_gaps, find_spans
from workers.jobs.bodies.mean_shape import measure_size, robust_weights
from workers.jobs.bodies.smoothing import smooth_positions, smooth_rotations

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrackEstimates:
    """One person in N frames, as the engine found it, frames rising; J joints, K keypoints.

    `rotations` (N, J, 4) local wxyz, `positions` (N, 3) of the root and `rest_joints` (N, J, 3) in metres;
    `keypoints_2d` (N, K, 2) pixels, `keypoints_3d` (N, K, 3), `visibility` (N, K); `boxes` (N, 4) pixels;
    `confidence` and `errors` (N,), the latter in pixels; `parameters` (N, ...) by name. `samples` (S,) names
    the rows whose rest vertices `sample_vertices` (S, V, 3) holds.
    """

    frames: NDArray[np.int64]
    rotations: Floats
    positions: Floats
    rest_joints: Floats
    keypoints_2d: Floats
    keypoints_3d: Floats
    visibility: Floats
    boxes: Floats
    confidence: Floats
    errors: Floats
    parameters: Mapping[str, Floats]
    samples: NDArray[np.int64]
    sample_vertices: Floats


@dataclass(frozen=True, slots=True, eq=False)
class BodyMotion:
    """T successive frames of one person; `rig` holds the one shape, and the pose of the first frame.

    `frames` (T,) count the video's, `seconds` (T,) from its first; `state` (T,) is OPEN, ESTIMATED or FILLED.
    `raw_rotations` (T, J, 4) and `raw_positions` (T, 3) are as found, `rotations` and `positions` with gaps
    filled and smoothed; open frames are NaN.
    """

    rig: Rig
    frames: NDArray[np.int64]
    seconds: Floats
    state: NDArray[np.uint8]
    raw_rotations: Floats
    raw_positions: Floats
    rotations: Floats
    positions: Floats
    parameters: Mapping[str, list[float]]
    jitter_raw: float | None
    jitter: float | None

    @property
    def spans(self) -> list[slice]:
        """Runs of frames without an open gap."""
        return find_spans(self.state)

    def pose(self, frame: int) -> Rig:
        """The rig in the pose of place `frame`, which must not be open."""
        return replace(self.rig, rotations=self.rotations[frame], root_translation=self.positions[frame])

    def vertices(self, frame: int) -> Floats:
        """Posed vertices (V, 3) in metres in the motion's frame."""
        return skin_rig(self.pose(frame))

    def joints(self) -> Floats:
        """Posed joints (T, J, 3), NaN where open."""
        return _joints(self.rig, self.rotations, self.positions)


def build_motion(
    rig: Rig,
    seen: TrackEstimates,
    seconds: Floats,
    *,
    world_from_cam: Floats | None = None,
    smoothing: bool = True,
    max_gap: float = 0.5,
) -> BodyMotion:
    """The motion of one person.

    `rig` gives the skeleton and the skin; `seconds` holds the time of every frame of the video;
    `world_from_cam` (frames, 4, 4) puts the motion into the world. The shape is a robust mean. As size and
    distance trade off, a frame whose own body was larger than the mean has its root moved nearer by the
    ratio, along the ray to it, so that it covers the same pixels.
    """
    weights = robust_weights(seen.rest_joints[seen.samples], seen.confidence[seen.samples])
    rest_vertices = np.tensordot(weights, seen.sample_vertices, 1)
    rest_joints = np.tensordot(weights, seen.rest_joints[seen.samples], 1)
    ratio = measure_size(rest_joints) / measure_size(seen.rest_joints)
    turned, placed = seen.rotations, seen.positions * ratio[:, None]
    own = _own_joints(rig, seen)
    if world_from_cam is not None:
        poses = world_from_cam[seen.frames]
        turned, placed = _moved(turned, placed, poses)
        own = np.einsum("tab,tjb->tja", poses[:, :3, :3], own) + poses[:, None, :3, 3]
    frames = np.arange(seen.frames[0], seen.frames[-1] + 1)
    times = seconds[frames]
    at = seen.frames - frames[0]
    found = np.zeros(len(frames), dtype=np.bool_)
    found[at] = True
    raw_rotations = np.full((len(frames), *turned.shape[1:]), np.nan)
    raw_positions = np.full((len(frames), 3), np.nan)
    raw_rotations[at], raw_positions[at] = turned, placed
    state, rotations, positions = fill_gaps(times, found, raw_rotations, raw_positions, max_gap)
    if smoothing:
        for run in find_spans(state):
            rotations[run] = smooth_rotations(rotations[run], times[run])
            positions[run] = _smoothed(positions[run], times[run], world_from_cam, frames[run])
    shaped = replace(
        rig,
        rest_vertices=rest_vertices,
        rest_joints=rest_joints,
        rotations=rotations[0],
        root_translation=positions[0],
    )
    as_found = np.full((len(frames), *own.shape[1:]), np.nan)
    as_found[at] = own
    return BodyMotion(
        rig=shaped,
        frames=frames,
        seconds=times,
        state=state,
        raw_rotations=raw_rotations,
        raw_positions=raw_positions,
        rotations=rotations,
        positions=positions,
        parameters={
            name: np.tensordot(weights, values[seen.samples], 1).tolist()
            for name, values in seen.parameters.items()
        },
        jitter_raw=measure_jitter(as_found, times, state == ESTIMATED),
        jitter=measure_jitter(_joints(shaped, rotations, positions), times, state == ESTIMATED),
    )


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


def _smoothed(
    positions: Floats, seconds: Floats, world_from_cam: Floats | None, frames: NDArray[np.int64]
) -> Floats:
    """Positions (T, 3) smoothed as their cameras see them."""
    if world_from_cam is None:
        return smooth_positions(positions, seconds)
    turns, places = world_from_cam[frames, :3, :3], world_from_cam[frames, :3, 3]
    seen = smooth_positions(np.einsum("tba,tb->ta", turns, positions - places), seconds)
    back: Floats = np.einsum("tab,tb->ta", turns, seen) + places
    return back


def _moved(turned: Floats, placed: Floats, poses: Floats) -> tuple[Floats, Floats]:
    """Poses (N, J, 4) and root positions (N, 3) after rigid motions (N, 4, 4)."""
    out = turned.copy()
    out[:, 0] = quaternions(poses[:, :3, :3] @ from_quaternions(turned[:, 0]))
    return out, np.einsum("tab,tb->ta", poses[:, :3, :3], placed) + poses[:, :3, 3]


def _own_joints(rig: Rig, seen: TrackEstimates) -> Floats:
    """Joints (N, J, 3) of each frame's own shape, in its camera's frame."""
    rows = zip(seen.rest_joints, seen.rotations, seen.positions, strict=True)
    return np.stack(
        [pose_rig(replace(rig, rest_joints=r, rotations=q, root_translation=t))[1] for r, q, t in rows]
    )


def _joints(rig: Rig, rotations: Floats, positions: Floats) -> Floats:
    out = np.full((len(rotations), len(rig.parents), 3), np.nan)
    for k in np.flatnonzero(np.isfinite(positions).all(axis=1)):
        out[k] = pose_rig(replace(rig, rotations=rotations[k], root_translation=positions[k]))[1]
    return out
