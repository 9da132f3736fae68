"""A walk that is known: feet that stand still and roll, seen with the noise of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.support.synthetic_bodies import FLIP, load_skinner, make_body
from workers.engines.bodies.rotations import exp_map, from_quaternions, hat, quaternions
from workers.engines.protocols import Rig
from workers.jobs.bodies.ground.legs import Leg, find_legs
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]
# share of a cycle in which a foot stands, and of it in which it stands flat
STANCE, FLAT = 0.62, 0.7
CYCLE_SECONDS, SPEED, LIFT, HEEL_OFF = 1.1, 1.1, 0.08, np.radians(30.0)


@dataclass(frozen=True, kw_only=True)
class KnownWalk:
    """The truth of T frames in the camera frame: poses, contacts (T, 2), soles (T, 4, 3); and estimates."""

    rig: Rig
    ground: Ground
    seconds: Floats
    rotations: Floats
    positions: Floats
    contacts: NDArray[np.bool_]
    soles: Floats
    estimates: TrackEstimates


def make_known_walk(
    frames: int = 90,
    rate: float = 30.0,
    *,
    noise: float = 0.0,
    distance_noise: float = 0.0,
    drift: float = 0.0,
    pitch: float = 0.1,
    heading: float = 0.7,
    speed: float = SPEED,
    seed: int = 0,
) -> KnownWalk:
    """Somebody walks on a floor before a camera 1.5 m above it that looks down by `pitch` radians.

    `noise` in radians on every rotation, `distance_noise` relative, anew in each frame; `drift` relative,
    which changes within a second. `heading` in radians from straight towards the camera; a `speed` of 0
    stands.
    """
    rng = np.random.default_rng(seed)
    rig = make_body(bend=0.0).rig
    legs = find_legs(rig)
    assert legs is not None
    seconds = np.arange(frames) / rate
    facing = exp_map(np.array([0.0, heading, 0.0]))
    ahead = facing @ np.array([0.0, 0.0, 1.0])
    tall = -float(rig.rest_vertices[:, 1].min()) + float(rig.rest_joints[0, 1])
    phase = seconds / CYCLE_SECONDS
    start = np.array([-0.4, tall - 0.045, -5.0])
    positions = start + speed * seconds[:, None] * ahead
    positions[:, 1] += 0.015 * np.cos(4 * np.pi * phase) * (speed > 0)
    rotations = np.repeat(rig.rotations[None], frames, axis=0)
    rotations[:, 0] = quaternions(facing)
    _swing_arms(rig, rotations, 0.35 * np.sin(2 * np.pi * phase) * (speed > 0))
    contacts = np.ones((frames, 2), dtype=np.bool_)
    for side, leg in enumerate(legs):
        turned, joints = pose_frames(rig, rotations, positions)
        ankles, feet, contacts[:, side] = _step(rig, leg, phase + 0.5 * side, start, facing, speed)
        chain = _reach_targets(
            leg, rig.parents, turned, joints, ankles, feet @ facing @ turned[:, leg.ankle].transpose(0, 2, 1)
        )
        for joint, local in chain.items():
            rotations[:, joint] = local
    cam_from_world = exp_map(np.array([pitch, 0.0, 0.0])) @ FLIP
    eye = np.array([0.0, 1.5, 0.0])
    positions = (positions - eye) @ cam_from_world.T
    rotations[:, 0] = quaternions(cam_from_world @ from_quaternions(rotations[:, 0]))
    turned, joints = pose_frames(rig, rotations, positions)
    soles = np.concatenate([leg.find_sole(turned, joints) for leg in legs], axis=1)
    estimates = _observe(rig, rotations, positions, seconds, noise, distance_noise, drift, rng)
    return KnownWalk(
        rig=replace(rig, rotations=rotations[0], root_translation=positions[0]),
        ground=Ground(cam_from_world[:, 1], -1.5),
        seconds=seconds,
        rotations=rotations,
        positions=positions,
        contacts=contacts,
        soles=soles,
        estimates=estimates,
    )


def _observe(
    rig: Rig,
    rotations: Floats,
    positions: Floats,
    seconds: Floats,
    noise: float,
    distance_noise: float,
    drift: float,
    rng: np.random.Generator,
) -> TrackEstimates:
    """What an engine with this noise would see of a motion."""
    frames = len(seconds)
    wander = np.interp(
        seconds, np.arange(0, seconds[-1] + 1, 0.5), rng.normal(size=len(np.arange(0, seconds[-1] + 1, 0.5)))
    )
    scale = 1 + distance_noise * rng.normal(size=frames) + drift * wander
    off = np.repeat(np.eye(3)[None, None], frames, axis=0).repeat(rotations.shape[1], axis=1)
    fitted = load_skinner().kinematics.skeleton.joints
    off[:, fitted] = exp_map(noise * rng.normal(size=(frames, len(fitted), 3)))
    return TrackEstimates(
        frames=np.arange(frames),
        rotations=quaternions(from_quaternions(rotations) @ off),
        positions=positions * scale[:, None],
        rest_joints=np.repeat(rig.rest_joints[None], frames, axis=0),
        keypoints_2d=np.ones((frames, 33, 2)),
        keypoints_3d=np.ones((frames, 33, 3)),
        visibility=np.ones((frames, 33)),
        boxes=np.ones((frames, 4)),
        confidence=np.full(frames, 0.8),
        errors=np.ones(frames),
        gravity=np.full((frames, 3), np.nan),
        parameters={"height": np.full((frames, 1), 0.5)},
        samples=np.array([0, frames - 1]),
        sample_vertices=np.repeat(rig.rest_vertices[None], 2, axis=0),
    )


def measure_skating(soles: Floats, walk: KnownWalk) -> Floats:
    """How far in cm a foot slides in each step: the path of the point that truly stands, net of its start.

    `soles` (T, 4, 3). A step is a run of frames in which a foot truly stands flat or on its ball."""
    slides = []
    for side in (0, 1):
        still = np.linalg.norm(np.diff(walk.soles[:, 2 * side + 1], axis=0), axis=1) < 1e-3
        edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(int)))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            if last - first >= 5:
                path = soles[first : last + 1, 2 * side + 1]
                slides.append(100 * np.linalg.norm(path - np.median(path, axis=0), axis=1).max())
    return np.array(slides)


def _swing_arms(rig: Rig, rotations: Floats, angles: Floats) -> None:
    for side, sign in (("L", 1.0), ("R", -1.0)):
        joint = rig.joint_names.index(f"upperarm01_{side}")
        turn = np.stack([sign * angles, 0 * angles, 0 * angles], axis=1)
        down = exp_map(np.array([0.0, 0.0, -sign * 0.6]))
        rotations[:, joint] = quaternions(exp_map(turn) @ down)


def _step(
    rig: Rig, leg: Leg, phase: Floats, start: Floats, facing: Floats, speed: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Ankles (T, 3), turns of the foot (T, 3, 3) and whether it stands (T,), in world axes."""
    aside = facing @ np.array([0.7 * rig.rest_joints[leg.ankle, 0], 0.0, 0.0])
    ahead = facing @ np.array([0.0, 0.0, 1.0])
    stride = speed * CYCLE_SECONDS
    number, part = np.divmod(phase, 1.0)
    lag = phase[0]  # the body is at `start` in the first frame
    middle = stride * (number + STANCE / 2 - lag)
    swing = np.clip((part - STANCE) / (1 - STANCE), 0.0, 1.0)
    eased = swing * swing * (3 - 2 * swing)
    rolled = np.clip((part / STANCE - FLAT) / (1 - FLAT), 0.0, 1.0) * HEEL_OFF * (speed > 0)
    angle = np.where(part < STANCE, rolled, HEEL_OFF * (1 - eased) * (speed > 0))
    feet = exp_map(angle[:, None] * np.array([1.0, 0.0, 0.0]))
    feet = facing @ feet @ facing.T
    ball = facing @ leg.sole[1]
    pivot = start * [1, 0, 1] + aside + middle[:, None] * ahead + eased[:, None] * stride * ahead
    pivot = pivot + (ball - ball[1] * np.array([0.0, 1.0, 0.0]))
    pivot[:, 1] = LIFT * np.sin(np.pi * swing) * (speed > 0)
    ankles = pivot - feet @ ball
    return ankles, feet, (part < STANCE) | (speed == 0)


def _reach_targets(
    leg: Leg,
    parents: Sequence[int],
    turned: Floats,
    joints: Floats,
    targets: Floats,
    foot: Floats,
) -> dict[int, Floats]:
    """Local rotations (T, 4) by joint with which the ankle reaches `targets` (T, 3).

    `turned` (T, J, 3, 3) and `joints` (T, J, 3) are the pose before; `foot` (T, 3, 3) turns the foot in the
    motion's frame. The knee changes its bend about its own axis, then the hip swings the leg: the plane in
    which the leg bends turns no more than it must, and the knee never bends the other way. A target out of
    reach is approached with a stretched leg.
    """
    hip, knee, ankle = (joints[:, j] for j in (leg.hip, leg.knee, leg.ankle))
    thigh, shank = knee - hip, ankle - knee
    upper, lower = np.linalg.norm(thigh, axis=1), np.linalg.norm(shank, axis=1)
    farthest, nearest = 0.999 * (upper + lower), np.abs(upper - lower) + 1e-3
    distance = np.clip(np.linalg.norm(targets - hip, axis=1), nearest, farthest)
    cosine = (distance**2 - upper**2 - lower**2) / (2 * upper * lower)
    bend = np.arccos(np.clip(cosine, -1.0, 1.0))
    axis = np.cross(thigh, shank)
    sine = np.linalg.norm(axis, axis=1) / (upper * lower)
    # a leg that is almost straight bends about the knee's own axis, left to right at rest
    own = turned[:, leg.knee] @ np.array([1.0, 0.0, 0.0])
    axis = np.where((sine < 0.05)[:, None], own, axis)
    axis = axis / np.maximum(np.linalg.norm(axis, axis=1), 1e-9)[:, None]
    bent = np.arctan2(np.einsum("ta,ta->t", np.cross(thigh, shank), axis), (thigh * shank).sum(axis=1))
    flexed = exp_map((bend - bent)[:, None] * axis)
    reached = thigh + np.einsum("tab,tb->ta", flexed, shank)
    swung = _swing_between(reached, targets - hip)
    above, between, before = (turned[:, parents[j]] for j in (leg.hip, leg.knee, leg.ankle))
    locals_ = {
        leg.hip: above.transpose(0, 2, 1) @ swung @ turned[:, leg.hip],
        leg.knee: (swung @ between).transpose(0, 2, 1) @ swung @ flexed @ turned[:, leg.knee],
        leg.ankle: (swung @ flexed @ before).transpose(0, 2, 1) @ foot @ turned[:, leg.ankle],
    }
    return {joint: quaternions(matrices) for joint, matrices in locals_.items()}


def _swing_between(source: Floats, target: Floats) -> Floats:
    """The smallest rotations (T, 3, 3) from directions (T, 3) to others less than a half turn off."""
    a = source / np.linalg.norm(source, axis=1, keepdims=True)
    b = target / np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1e-9)
    k = hat(np.cross(a, b))
    cosine = np.maximum((a * b).sum(axis=1), -0.999)[:, None, None]
    swung: Floats = np.eye(3) + k + (k @ k) / (1 + cosine)
    return swung
