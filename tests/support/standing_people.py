"""People who stand on a floor before a camera that looks down, of whom all is known but the noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.synthetic_bodies import load_skinner
from workers.engines.bodies.group.stature import make_shape
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.observations import observe
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.rotations import exp_map
from workers.geometry.cameras import Camera

Floats = NDArray[np.float64]
CAMERA = Camera(1280, 960, 1100.0, 1100.0, 640.0, 480.0)
HIPS = [23, 24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a person stands: metres to the right and away on the floor, and above it.

    `thighs` and `knees` are bent, and `toes` point down, by degrees against a leg that stands.
    """

    stature: float
    x: float = 0.0
    z: float = 4.0
    above: float = 0.0
    turn: float = 0.0
    thighs: float = 0.0
    knees: float = 0.0
    toes: float = 0.0


def tilt_camera(pitch: float, roll: float = 0.0) -> Floats:
    """The rotation (3, 3) from a level camera's frame to one that looks `pitch` degrees below the horizon."""
    turned: Floats = exp_map(np.array([0.0, 0.0, np.radians(roll)])) @ exp_map(
        np.array([np.radians(pitch), 0.0, 0.0])
    )
    return turned


def stand_person(stand: Stand, height: float, tilt: Floats) -> BodyState:
    """A relaxed body that faces a camera `height` metres above the floor."""
    skinner = load_skinner()
    skeleton = skinner.kinematics.skeleton
    rotations = exp_map(skeleton.relaxed_rotations())
    # a hinge is negative where a thigh is lifted forwards
    bends = {"upperleg01": -stand.thighs, "lowerleg01": stand.knees, "foot": stand.toes}
    for joint, degrees in ((f"{name}_{side}", bends[name]) for name in bends for side in "LR"):
        if degrees:
            rotations[skeleton.index(joint)] = exp_map(
                np.radians(degrees) * skeleton.frames[skeleton.index(joint), 1]
            )
    # a body at rest is y up and faces +z: half a turn about x, and it stands before a level camera
    facing = exp_map(np.array([0.0, stand.turn, 0.0]))
    rotations[0] = tilt @ np.diag([1.0, -1.0, -1.0]) @ facing
    shape = make_shape(stand.stature)
    body = skinner.vertices(BodyState(rotations, np.zeros(3), shape))
    drop = float((body @ tilt[:, 1]).max())
    return BodyState(rotations, tilt @ np.array([stand.x, height - stand.above - drop, stand.z]), shape)


def observe_stand(
    stand: Stand, height: float, tilt: Floats, rng: np.random.Generator, *, noise: float = 0.003
) -> PersonObservation:
    """What an image shows of a person, with `noise` as a share of the body's height; without a mask."""
    state = stand_person(stand, height, tilt)
    points = load_skinner().kinematics.pose(state).landmarks
    pixels = CAMERA.project(points)
    pixels = pixels + noise * float(np.ptp(pixels[:, 1])) * rng.normal(size=(33, 2))
    about = (points - points[HIPS].mean(axis=0)) * (1.7 / stand.stature)
    view = observe(pixels, np.ones(33), about, CAMERA).view
    x0, y0, x1, y1 = *pixels.min(axis=0), *pixels.max(axis=0)
    return PersonObservation(
        landmarks=observe(pixels, np.full(33, 0.95), about @ view, CAMERA),
        box=(float(x0), float(y0), float(x1), float(y1)),
        mask=np.zeros((CAMERA.height, CAMERA.width), dtype=np.bool_),
        score=1.0,
    )
