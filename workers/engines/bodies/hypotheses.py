"""The other poses that one picture allows: each limb's bones, and the trunk, mirrored along the viewing ray.

A picture determines a bone's direction but for the sign of its depth. From a fit, every bone that lies deep
enough is mirrored, the cheapest mirror images are fitted again, and the least cost wins: prior, landmarks and
world points decide together. A limb whose second best costs nearly as little and lies far away stays
ambiguous.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.fit import BodyFit, BodyFitter, FitPrior
from workers.engines.bodies.initial_state import LIMB_LANDMARKS, SIDES, place_limb
from workers.engines.bodies.kinematics import BodyState, Kinematics, PosedSkeleton
from workers.engines.bodies.observations import HIPS, SHOULDERS, LandmarkObservation
from workers.engines.bodies.rotations import swing
from workers.engines.protocols.bodies import BodyPart

Floats = NDArray[np.float64]
# Sine of the angle to the image plane from which a bone's mirror image is another pose; and the trunk's.
MIN_DEEP, MIN_TRUNK_DEEP = 0.35, 0.2
# Excess of cost at which a mirror image is not fitted again: a fit regains no more. How many are, at most.
HOPELESS, MOST = 30.0, 2
STEPS = 6
# Excess of cost, in the units of the fit, below which two poses are equally likely, and metres between their
# joints from which they differ. Chosen on drawn scenes (docs/benchmarks/bodies.md).
AMBIGUOUS_COST, AMBIGUOUS_METRES = 4.0, 0.15
# Names of limbs in results.
NAMES: dict[str, BodyPart] = {
    "arm_L": "left_arm",
    "arm_R": "right_arm",
    "leg_L": "left_leg",
    "leg_R": "right_leg",
    "trunk": "trunk",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resolution:
    """The best fit, and the names of the limbs (`NAMES`) whose depth stays ambiguous."""

    fit: BodyFit
    ambiguous: tuple[BodyPart, ...]


def resolve_depth(
    fitter: BodyFitter, fit: BodyFit, observed: LandmarkObservation, prior: FitPrior
) -> Resolution:
    """The best of a fit and its mirror images along depth, under the same prior."""
    rated = [
        (fitter.rate(mirrored, observed, prior), limb, mirrored)
        for limb, mirrored in mirror_limbs(fitter.kinematics, fit.state, fit.posed)
    ]
    rated = sorted((item for item in rated if item[0] < fit.cost + HOPELESS), key=lambda item: item[0])
    found = [("", fit)]
    for _, limb, mirrored in rated[:MOST]:
        other = fitter.solve(observed, prior=prior, initial=mirrored, max_steps=STEPS)
        found.append((limb, other))
    best = min((other for _, other in found), key=lambda other: other.cost)
    ambiguous = {
        NAMES[limb]
        for mirrored, other in found
        if other is not best and other.cost < best.cost + AMBIGUOUS_COST
        for limb in ([mirrored] if mirrored else NAMES)
        if _differs(other.posed, best.posed, limb)
    }
    return Resolution(fit=best, ambiguous=tuple(sorted(ambiguous)))


def mirror_limbs(
    kinematics: Kinematics, state: BodyState, posed: PosedSkeleton
) -> Iterator[tuple[str, BodyState]]:
    """Each limb, or the trunk, with bones mirrored along the viewing ray: its name and the new state."""
    points = posed.landmarks
    for name, landmarks in LIMB_LANDMARKS.items():
        for k, side in enumerate(SIDES):
            root, middle, end = (points[pair[k]] for pair in landmarks)
            ray = middle / np.linalg.norm(middle)
            bones = (middle - root, end - middle)
            deep = [abs(float(bone @ ray)) > MIN_DEEP * float(np.linalg.norm(bone)) for bone in bones]
            flips = [bone - 2 * float(bone @ ray) * ray for bone in bones]
            for upper, lower in ((True, False), (False, True), (True, True)):
                if (upper and not deep[0]) or (lower and not deep[1]):
                    continue
                rotations = state.rotations.copy()
                chosen = [
                    flip if used else bone
                    for flip, bone, used in zip(flips, bones, (upper, lower), strict=True)
                ]
                place_limb(kinematics, rotations, f"{name}_{side}", chosen[0], chosen[1])
                yield f"{name}_{side}", replace(state, rotations=rotations)
    yield from _mirror_trunk(kinematics, state, posed)


def _mirror_trunk(
    kinematics: Kinematics, state: BodyState, posed: PosedSkeleton
) -> Iterator[tuple[str, BodyState]]:
    """The trunk leaning the other way, with head and limbs as they were."""
    skeleton, points = kinematics.skeleton, posed.landmarks
    up = points[list(SHOULDERS)].mean(axis=0) - points[list(HIPS)].mean(axis=0)
    ray = posed.joints[0] / np.linalg.norm(posed.joints[0])
    if abs(float(up @ ray)) < MIN_TRUNK_DEEP * float(np.linalg.norm(up)):
        return
    rotations = state.rotations.copy()
    rotations[0] = swing(up, up - 2 * float(up @ ray) * ray) @ rotations[0]
    for joint in ("upperleg01_L", "upperleg01_R", "upperarm01_L", "upperarm01_R", "neck01"):
        m = skeleton.index(joint)
        above = kinematics.turn(rotations)[skeleton.parents[m]]
        rotations[m] = above.T @ posed.global_rotations[m]
    yield "trunk", replace(state, rotations=rotations)


def _differs(a: PosedSkeleton, b: PosedSkeleton, limb: str) -> bool:
    """Whether a limb of two poses lies elsewhere against its own root."""
    if limb == "trunk":
        roots, ends = np.array(HIPS), np.array([SHOULDERS])
    else:
        name, side = limb.split("_")
        k = SIDES.index(side)
        root, *rest = (pair[k] for pair in LIMB_LANDMARKS[name])
        roots, ends = np.array([root]), np.array([[point] for point in rest])
    apart = [
        np.linalg.norm(
            (a.landmarks[end].mean(axis=0) - a.landmarks[roots].mean(axis=0))
            - (b.landmarks[end].mean(axis=0) - b.landmarks[roots].mean(axis=0))
        )
        for end in ends
    ]
    return bool(max(apart) > AMBIGUOUS_METRES)
