"""One floor under all motions of a video, and the motions with their feet planted on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.group.support import LEVEL_DEGREES
from workers.jobs.bodies.gap_filling import ESTIMATED
from workers.jobs.bodies.ground.contacts import detect_contacts
from workers.jobs.bodies.ground.legs import find_legs, find_soles
from workers.jobs.bodies.ground.phases import STANDING_METRES
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.planting import plant_feet
from workers.jobs.bodies.ground.posing import pose_frames
from workers.jobs.bodies.motion import BodyMotion, measure_jitter

Floats = NDArray[np.float64]
# Most metres between a person's own level and the floor at which the person is on it: errors of size and
# distance; a step of stairs has 0.17.
ON_FLOOR_METRES = 0.15
# Share of the time in which a foot is on the floor: who skips is in the air for up to two thirds of it. By
# the median of all heights the floor under people who all skip is over 5 cm too high.
STANDING_SHARE = 0.25
# Share of the frames with level thighs from which a person sits throughout: one who stands up shows the
# floor. Chosen, not measured.
SITTING_SHARE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class SeenMotion:
    """A motion, and for each of its frames which feet are seen, `feet` (T, 2), left and right."""

    motion: BodyMotion
    feet: NDArray[np.bool_]


def find_floor(people: Sequence[SeenMotion], up: Floats) -> Ground:
    """The ground of motions in one frame at rest, with `up` (3,) against gravity.

    A person has a foot on the floor for at least a quarter of the time: the level is the median of the lower
    foot where it is near its lower quartile. The floor's height is the median of levels, weighted by the
    frames in which feet are seen. Who sits throughout shows no floor where others do. Without feet the height
    is None.
    """
    standing = [person for person in people if not sits_throughout(person.motion, up)] or people
    levels = [(level, count) for level, count in (_find_level(person, up) for person in standing) if count]
    if not levels:
        return Ground(up)
    heights, counts = (np.array(values) for values in zip(*sorted(levels), strict=True))
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return Ground(up, float(heights[middle]))


def plant_motion(person: SeenMotion, ground: Ground, world_from_cam: Floats | None) -> BodyMotion:
    """The motion with its standing feet planted on the ground, whose height is known.

    A person who is not on the floor, but on a step or a bench, is planted on the own level. Without a foot in
    sight, or with a rig whose legs are unknown, the motion is returned as it is. Whether the feet of somebody
    who sits throughout hang at the floor's level or stand on it is unknown.
    """
    motion = person.motion
    legs = find_legs(motion.rig)
    level, count = _find_level(person, ground.up)
    if legs is None or not count or ground.height is None:
        return motion
    grounded = abs(level - ground.height) < ON_FLOOR_METRES
    goal_height = ground.height if grounded else level
    goal = Ground(ground.up, goal_height)
    rotations, positions = motion.rotations.copy(), motion.positions.copy()
    contacts = np.full((len(motion.frames), 2), np.nan)
    right, down, ahead = ground.axes()
    axes = np.stack([right, ahead, -down])
    for span in motion.spans:
        eyes = 0.0 if world_from_cam is None else world_from_cam[motion.frames[span], :3, 3]
        views = positions[span] - eyes
        # rotations as they were found, about a root whose distance is smoothed: one frame shows it poorly
        seen = find_soles(legs, *pose_frames(motion.rig, motion.raw_rotations[span], positions[span]))
        places = seen @ axes.T - np.array([0.0, 0.0, level])
        planted = plant_feet(
            motion.rig,
            legs,
            rotations[span],
            positions[span],
            motion.seconds[span],
            ground=goal,
            contacts=detect_contacts(places, motion.seconds[span], views @ axes.T),
            rays=views / np.maximum(np.linalg.norm(views, axis=1, keepdims=True), 1e-9),
            seen=seen - (level - goal_height) * ground.up,
            visible=person.feet[span],
        )
        rotations[span], positions[span] = planted.rotations, planted.positions
        contacts[span] = planted.contacts
    joints = pose_frames(motion.rig, rotations, positions)[1]
    first = motion.spans[0].start
    sits = grounded and sits_throughout(motion, ground.up)
    if sits:
        contacts[contacts == 1] = np.nan
    return replace(
        motion,
        rig=replace(motion.rig, rotations=rotations[first], root_translation=positions[first]),
        rotations=rotations,
        positions=positions,
        foot_contact=contacts,
        grounded=None if sits else grounded,
        sits=sits,
        jitter=measure_jitter(joints, motion.seconds, motion.state == ESTIMATED),
    )


def sits_throughout(motion: BodyMotion, up: Floats) -> bool:
    """Whether both thighs are level for SITTING_SHARE of a motion, so that its legs show no floor."""
    legs = find_legs(motion.rig)
    known = np.isfinite(motion.positions).all(axis=1)
    if legs is None or not known.any():
        return False
    joints = motion.joints()[known]
    steeper = np.max([leg.measure_slope(joints, up) for leg in legs], axis=0)
    return bool((steeper < LEVEL_DEGREES).mean() >= SITTING_SHARE)


def _find_level(person: SeenMotion, up: Floats) -> tuple[float, int]:
    """The height at which a person's feet stand, and in how many frames both are seen; 0 without feet."""
    motion = person.motion
    legs = find_legs(motion.rig)
    seen = person.feet.all(axis=1) & np.isfinite(motion.positions).all(axis=1)
    if legs is None or not seen.any():
        return 0.0, 0
    soles = find_soles(legs, *pose_frames(motion.rig, motion.rotations[seen], motion.positions[seen]))
    heights = (soles @ up).min(axis=1)
    near = np.abs(heights - np.quantile(heights, STANDING_SHARE)) <= STANDING_METRES
    return float(np.median(heights[near])), int(seen.sum())
