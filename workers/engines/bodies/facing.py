"""Whether a person may as well face the other way: front and back taken for each other.

BlazePose takes some people who face the camera for people who face away, or the reverse, with full
confidence: left and right are exchanged, and the depth of the trunk, the limbs and the face follows. Its feet
do not: which way they point shows in the picture, because cameras look down on floors. So the hypothesis is
the mirror image along the viewing ray of everything but the feet, with left and right exchanged; both are
fitted on the same floor, and the difference of their costs is the evidence.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.blazepose import MIRROR
from workers.engines.bodies.fit import BodyFitter, Extra, FitPrior
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.observations import (
    ANKLES,
    BONE_FROM,
    BONE_TO,
    HEELS,
    LandmarkObservation,
)
from workers.engines.bodies.skeleton import Skeleton

Floats = NDArray[np.float64]
# Evaluations of each of both fits; excess of cost before them at which the other way is not fitted: nine in
# ten of those that win cost less.
STEPS, HOPELESS = 8, 80.0
# Excess of cost, in the units of the fit, under which a body may face the other way: none. Of 493 drawn
# people (seeds 3000 to 3009 of `bodies.scenes`) the two who were turned have -12 and -13, and 5% are under 0;
# those of them whom nothing else flags have an MPJPE of 181 mm against 70. From 0 to 3 it is 60 mm.
UNSURE_COST = 0.0
# Signs along depth of mirrored bones: those of the feet keep theirs.
_OF_FEET = np.isin(BONE_FROM, (*ANKLES, *HEELS))
_DEPTH_SIGNS = np.where(_OF_FEET, 1.0, -1.0)
# Each bone's partner on the other side, and the sign of its direction: bones across run from right to left.
_BONES = {(int(a), int(b)): k for k, (a, b) in enumerate(zip(BONE_FROM, BONE_TO, strict=True))}
_PAIRS = [(int(MIRROR[a]), int(MIRROR[b])) for a, b in _BONES]
_PARTNERS = np.array([_BONES[pair] if pair in _BONES else _BONES[pair[::-1]] for pair in _PAIRS])
_SIGNS = np.array([1.0 if pair in _BONES else -1.0 for pair in _PAIRS])


def turn_observation(observed: LandmarkObservation) -> LandmarkObservation:
    """The observation with left and right exchanged, and mirrored along the viewing ray but for the feet."""
    axes = _SIGNS[:, None] * np.stack([np.ones_like(_SIGNS), np.ones_like(_SIGNS), _DEPTH_SIGNS], axis=1)
    ray = observed.view[:, 2]
    world = observed.world - 2 * np.outer(observed.world @ ray, ray)
    return replace(
        observed,
        pixels=observed.pixels[MIRROR],
        confidence=observed.confidence[MIRROR],
        weights=observed.weights[MIRROR],
        directions=observed.directions[_PARTNERS] * axes,
        bone_weights=observed.bone_weights[_PARTNERS],
        lengths=observed.lengths[_PARTNERS],
        world=world[MIRROR],
    )


def turn_state(skeleton: Skeleton, state: BodyState, observed: LandmarkObservation) -> BodyState:
    """The body as its mirror image at the plane through its root and across the viewing ray."""
    ray = observed.view[:, 2]
    across = np.diag([-1.0, 1.0, 1.0])
    rotations = across @ state.rotations[skeleton.find_partners()] @ across
    rotations[0] = (np.eye(3) - 2 * np.outer(ray, ray)) @ state.rotations[0] @ across
    return replace(state, rotations=rotations)


def may_face_away(
    fitter: BodyFitter, state: BodyState, observed: LandmarkObservation, prior: FitPrior, ground: Extra | None
) -> bool:
    """Whether a body facing the other way costs no more than the one that was read, both at their best."""
    turned, other = turn_state(fitter.kinematics.skeleton, state, observed), turn_observation(observed)
    bound = fitter.rate(state, observed, prior, ground)
    if fitter.rate(turned, other, prior, ground) > bound + HOPELESS:
        return False
    cost = fitter.solve(other, prior=prior, initial=turned, extra=ground, max_steps=STEPS).cost
    if cost > bound + UNSURE_COST:
        return False
    enough = cost - UNSURE_COST
    read = fitter.solve(
        observed, prior=prior, initial=state, extra=ground, max_steps=STEPS, enough=enough
    ).cost
    return enough < read
