"""A walk that is known: feet that stand still and roll, seen with the noise of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.support.synthetic_bodies import FLIP, load_skinner, make_body
from workers.engines.bodies.rotations import exp_map, from_quaternions, hat, quaternions
from workers.engines.protocols import Rig
from workers.jobs.bodies.ground.legs import Leg, find_legs, find_soles
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.motion import BodyMotion
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]
# Slower than this, m/s, a drawn point of the sole stands.
STILL_SPEED = 0.03
GRAVITY = 9.81


@dataclass(frozen=True, kw_only=True)
class Gait:
    """How somebody moves: the speed in m/s, the seconds of a cycle of both feet and the share of it in which
    a foot stands; the share of that in which it is flat, and the angle in radians by which the heel then
    rises; how high a foot is lifted, and how much lower than straight legs the hips are, in metres.

    Feet follow each other by half a cycle, or move together. In the air a `leap` is ballistic. With `carried`
    feet the person glides as on skates.
    """

    speed: float = 1.1
    cycle: float = 1.1
    stance: float = 0.62
    flat: float = 0.7
    heel_off: float = np.radians(30.0)
    lift: float = 0.08
    crouch: float = 0.09
    bob: float = 0.015
    together: bool = False
    leap: bool = False
    carried: bool = False


STANDS = Gait(speed=0.0, stance=1.0, heel_off=0.0, lift=0.0, crouch=0.045, bob=0.0)
WALKS = Gait()
SHUFFLES = Gait(speed=0.5, lift=0.02, heel_off=np.radians(10.0))
RUNS = Gait(speed=2.5, cycle=0.7, stance=0.35, flat=0.5, lift=0.2, crouch=0.12, bob=0.03)
MARCHES = Gait(speed=0.0, lift=0.15, heel_off=np.radians(15.0))
JUMPS = Gait(
    speed=0.0, cycle=1.2, stance=0.6, lift=0.0, heel_off=0.0, crouch=0.07, bob=0.0, together=True, leap=True
)
MOONWALKS = Gait(speed=-0.6, lift=0.0, heel_off=0.0)
GLIDES = Gait(speed=0.8, carried=True, stance=1.0, heel_off=0.0, lift=0.0, crouch=0.045, bob=0.0)


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
    gait: Gait = WALKS,
    seconds: Floats | None = None,
    seed: int = 0,
) -> KnownWalk:
    """Somebody moves on a floor before a camera 1.5 m above it that looks down by `pitch` radians.

    `noise` in radians on every rotation, `distance_noise` relative, anew in each frame; `drift` relative,
    which changes within a second. `heading` in radians from straight towards the camera. Frames are at
    `seconds` (T,), or at an even `rate`.
    """
    rng = np.random.default_rng(seed)
    rig = make_body(bend=0.0).rig
    legs = find_legs(rig)
    assert legs is not None
    seconds = np.arange(frames) / rate if seconds is None else seconds
    facing = exp_map(np.array([0.0, heading, 0.0]))
    ahead = facing @ np.array([0.0, 0.0, 1.0])
    tall = -float(rig.rest_vertices[:, 1].min()) + float(rig.rest_joints[0, 1])
    phase = seconds / gait.cycle
    start = np.array([-0.4, tall - gait.crouch, -5.0])
    positions = start + gait.speed * seconds[:, None] * ahead
    positions[:, 1] += gait.bob * np.cos(4 * np.pi * phase) + _leap(gait, phase)
    rotations = np.repeat(rig.rotations[None], len(seconds), axis=0)
    rotations[:, 0] = quaternions(facing)
    _swing_arms(rig, rotations, 0.35 * np.sin(2 * np.pi * phase) * (gait.speed > 0))
    for side, leg in enumerate(legs):
        turned, joints = pose_frames(rig, rotations, positions)
        own = phase + 0.5 * side * (not gait.together)
        ankles, feet = _step(rig, leg, own, start, facing, gait)
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
        contacts=find_still(soles, seconds).reshape(-1, 2, 2).any(axis=2),
        soles=soles,
        estimates=estimates,
    )


def find_still(soles: Floats, seconds: Floats) -> NDArray[np.bool_]:
    """Where points (T, P, 3) stand still: between this frame and the one before or after."""
    moved = np.linalg.norm(np.diff(soles, axis=0), axis=2) > STILL_SPEED * np.diff(seconds)[:, None]
    edge = np.ones((1, soles.shape[1]), dtype=np.bool_)
    return ~(np.concatenate([edge, moved]) & np.concatenate([moved, edge]))


def _leap(gait: Gait, phase: Floats) -> Floats:
    """Heights (T,) of somebody who leaps: ballistic while the feet are off the floor."""
    part = np.clip((phase % 1.0 - gait.stance) / (1 - gait.stance + 1e-9), 0.0, 1.0)
    flight = (1 - gait.stance) * gait.cycle
    return gait.leap * 0.5 * GRAVITY * flight**2 * part * (1 - part)


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


@dataclass(frozen=True)
class Step:
    """Frames in which the ball of a foot, a point of the soles, truly stands."""

    point: int
    frames: slice


def list_steps(walk: KnownWalk) -> list[Step]:
    """The steps of at least three frames and a sixth of a second."""
    steps = []
    still = find_still(walk.soles, walk.seconds)
    for point in (1, 3):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], still[:, point], [False]]).astype(int)))
        for first, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - first >= 3 and walk.seconds[stop - 1] - walk.seconds[first] > 1 / 6:
                steps.append(Step(point, slice(int(first), int(stop))))
    return steps


def pose_soles(motion: BodyMotion) -> Floats:
    """Heel and ball of both feet (T, 4, 3) of a motion."""
    legs = find_legs(motion.rig)
    assert legs is not None
    return find_soles(legs, *pose_frames(motion.rig, motion.rotations, motion.positions))


def measure_slide(soles: Floats, step: Step) -> float:
    """How far in cm the ball strays from its middle place in a step; `soles` (T, 4, 3)."""
    path = soles[step.frames, step.point]
    return float(100 * np.linalg.norm(path - np.median(path, axis=0), axis=1).max())


def measure_skating(soles: Floats, walk: KnownWalk) -> Floats:
    """`measure_slide` of every step."""
    return np.array([measure_slide(soles, step) for step in list_steps(walk)])


def _swing_arms(rig: Rig, rotations: Floats, angles: Floats) -> None:
    for side, sign in (("L", 1.0), ("R", -1.0)):
        joint = rig.joint_names.index(f"upperarm01_{side}")
        turn = np.stack([sign * angles, 0 * angles, 0 * angles], axis=1)
        down = exp_map(np.array([0.0, 0.0, -sign * 0.6]))
        rotations[:, joint] = quaternions(exp_map(turn) @ down)


def _step(
    rig: Rig, leg: Leg, phase: Floats, start: Floats, facing: Floats, gait: Gait
) -> tuple[Floats, Floats]:
    """Ankles (T, 3) and turns of the foot (T, 3, 3) in world axes."""
    aside = facing @ np.array([0.7 * rig.rest_joints[leg.ankle, 0], 0.0, 0.0])
    ahead = facing @ np.array([0.0, 0.0, 1.0])
    stride = gait.speed * gait.cycle
    number, part = np.divmod(phase, 1.0)
    lag = phase[0]  # the body is at `start` in the first frame
    middle = stride * (number + gait.stance / 2 - lag)
    swing = np.clip((part - gait.stance) / (1 - gait.stance + 1e-9), 0.0, 1.0)
    eased = swing * swing * (3 - 2 * swing)
    rolled = np.clip((part / gait.stance - gait.flat) / (1 - gait.flat), 0.0, 1.0)
    angle = gait.heel_off * np.where(part < gait.stance, rolled, 1 - eased)
    feet = facing @ exp_map(angle[:, None] * np.array([1.0, 0.0, 0.0])) @ facing.T
    ball = facing @ leg.sole[1]
    way = stride * (phase - lag) if gait.carried else middle + eased * stride
    pivot = start * [1, 0, 1] + aside + way[:, None] * ahead
    pivot = pivot + (ball - ball[1] * np.array([0.0, 1.0, 0.0]))
    pivot[:, 1] = gait.lift * np.sin(np.pi * swing) + _leap(gait, phase)
    return pivot - feet @ ball, feet


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
