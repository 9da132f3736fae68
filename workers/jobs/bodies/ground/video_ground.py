"""The ground of a video: from the request, from a still camera and its people, or unknown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from maquette.contract import BodiesJob, FloorPlane, Gravity
from numpy.typing import NDArray

from workers.engines.bodies.keypoint_sets import KeypointSet, to_coco17
from workers.jobs.bodies.gap_filling import OPEN
from workers.jobs.bodies.gravity import read_gravity
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.ground.planted_motion import SeenMotion, find_floor
from workers.jobs.bodies.motion import BodyMotion
from workers.jobs.bodies.track_estimates import TrackEstimates

Floats = NDArray[np.float64]
WORLD_UP = {"-y": (0.0, -1.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
# Share of the bodies that must know gravity, so that the mean direction is that of the video. Chosen, not
# measured.
KNOWN_SHARE = 0.5
ANKLES = ("left_ankle", "right_ankle")


def find_ground(
    request: BodiesJob, people: Sequence[SeenMotion], gravity: Floats, still: bool
) -> Ground | None:
    """The ground in the frame of the motions; None where nothing in that frame is at rest, or up is unknown.

    In a given world, up is the request's. Otherwise the camera must stand `still`, and up is the request's or
    the mean of what the bodies tell, `gravity` (N, 3), NaN where unknown.
    """
    if request.world_from_cam is not None:
        return find_floor(people, np.array(WORLD_UP[request.world_up]))
    if not still:
        return None
    given = read_gravity(request)
    if given is not None:
        return find_floor(people, -np.array(given.direction))
    known = np.isfinite(gravity).all(axis=1)
    if not known.any() or known.mean() < KNOWN_SHARE:
        return None
    middle = np.median(gravity[known], axis=0)
    return find_floor(people, -middle / np.linalg.norm(middle))


def find_feet(motion: BodyMotion, estimates: TrackEstimates, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which feet are seen in each frame of a motion (T, 2); in gaps, those that are seen on both sides.

    A foot is seen where its ankle is a valid keypoint; `names` are those of the estimates' keypoints.
    """
    points = KeypointSet(names, estimates.keypoints_2d, estimates.keypoints_3d, estimates.visibility)
    coco = to_coco17(points)
    seen = coco.valid[:, [coco.names.index(name) for name in ANKLES]]
    rows = estimates.frames - motion.frames[0]
    places = np.arange(len(motion.frames))
    before = np.maximum(np.searchsorted(rows, places, side="right") - 1, 0)
    after = np.minimum(np.searchsorted(rows, places), len(rows) - 1)
    return np.asarray(seen[before] & seen[after])


def count_steps(foot_contact: Floats) -> int | None:
    """How often a foot comes to stand, of contacts (T, 2), as far as they are known; None where none is."""
    if not np.isfinite(foot_contact).any():
        return None
    known = [foot[np.isfinite(foot)] for foot in foot_contact.T]
    return sum(int((np.diff(foot) > 0).sum()) for foot in known)


def has_uncertain_contacts(person: SeenMotion, motion: BodyMotion) -> bool:
    """Whether it is unknown if a foot stands that is seen, on a floor that is known, in a planted motion."""
    closed = motion.state != OPEN
    unknown = np.isnan(motion.foot_contact) & person.feet & closed[:, None]
    return motion.grounded is not None and bool(unknown.any())


def describe_ground(
    request: BodiesJob, ground: Ground | None, motions: Sequence[BodyMotion]
) -> dict[str, Any]:
    """The fields `floor`, `gravity` and `world_from_cam` of a video's result."""
    if ground is None:
        return {}
    x, y, z = (float(value) for value in ground.up)
    is_given = request.world_from_cam is not None or read_gravity(request) is not None
    fields: dict[str, Any] = {
        "gravity": Gravity(direction=(-x, -y, -z), source="given" if is_given else "people")
    }
    standing = [motion for motion in motions if motion.grounded]
    if ground.height is not None:
        feet = sum(int((motion.foot_contact == 1.0).any(axis=0).sum()) for motion in standing)
        if standing:
            fields["floor"] = FloorPlane(
                normal=(x, y, z), offset_m=-ground.height, feet=feet, people=len(standing)
            )
        if request.world_from_cam is None:
            fields["world_from_cam"] = ground.world_from_ground().tolist()
    return fields
