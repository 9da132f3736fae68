"""Solves all people of an image together: alone first, then the floor, then each person on it.

Each person is fitted alone; what the fits say of gravity, the floor and sizes gives the most likely floor
(`floor_search`). The fits are repeated on it, and everybody is scaled onto it exactly. A floor that a person
does not stand on says nothing to that person but gravity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.facing import may_face_away
from workers.engines.bodies.fit import BodyFit, BodyFitter, FitPrior
from workers.engines.bodies.group.cues import CueReader, PersonCue
from workers.engines.bodies.group.floor_search import MIN_DROP, FloorSolution, find_floor, measure_lean
from workers.engines.bodies.group.ground_term import GroundTerm, measure_straightness
from workers.engines.bodies.group.stature import make_shape
from workers.engines.bodies.group.support import find_hanging
from workers.engines.bodies.kinematics import BodyState
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.rig import Skinner
from workers.engines.bodies.silhouette import SilhouetteFitter

Floats = NDArray[np.float64]
# By how much a mask may raise the landmarks' error, as a share of the body's height: a mask that needs more
# shows clothes or another person. Chosen, not measured.
MASK_COST = 0.01
# Steps of a fit to landmarks on the floor, where the mask is somebody else's.
STEPS_ON_FLOOR = 12
# Lean in degrees beyond which a body's axis contradicts a gravity that is given: over four deviations of
# standing people's (`floor_search.AXIS_ALONG`). The weight from which an axis counts. Chosen.
LEAN_DEGREES, SEEN_WEIGHT = 40.0, 0.3
# Deviation of youth once the stature is known: a child of a size has an age.
KNOWN_YOUTH = 0.25
# Deviation of the size on the floor, in units of 10 cm: the floor itself holds it. Known heights hold.
FLOOR_SIZE, KNOWN_SIZE = 0.8, 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupedPerson:
    """A person of a group: the fit, and by how much it grows about the camera's centre to stand.

    `turned` is whether the person may as well face the other way, `hangs` whether one whose feet fit the
    floor may as well be above it.
    """

    fit: BodyFit
    scale: float
    grounded: bool | None
    height_range: tuple[float, float]
    turned: bool = False
    hangs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupSolution:
    """A solved group: `up` (3,) in the camera frame, the camera's height in metres or None, the people."""

    up: Floats
    offset: float | None
    people: tuple[GroupedPerson, ...]
    contradicted: bool = False
    """Whether gravity was given, and nobody is anywhere near upright under it."""


def is_contradicted(up: Floats, cues: Sequence[PersonCue]) -> bool:
    """Whether everybody whose trunk is seen leans by over LEAN_DEGREES under `up` (3,)."""
    leans = [measure_lean(cue, up) for cue in cues if cue.axis_weight > SEEN_WEIGHT]
    return bool(leans) and min(leans) > LEAN_DEGREES


class GroupSolver:
    """Solves groups of people; holds only constant tables, so it can be shared."""

    def __init__(self, fitter: BodyFitter, skinner: Skinner) -> None:
        self._fitter = fitter
        self._reader = CueReader(skinner)
        self._silhouette = SilhouetteFitter(fitter, skinner)

    def solve(
        self,
        people: Sequence[PersonObservation],
        fits: Sequence[BodyFit],
        *,
        heights: Sequence[float | None],
        gravity: Floats | None = None,
    ) -> GroupSolution:
        """The people on their floor.

        `fits` are to landmarks alone; `heights` in metres and `gravity` (3,), a unit vector in the camera
        frame, are what is known. Raises ValueError when the lengths differ.
        """
        cues = self._read(people, fits, heights)
        floor = find_floor(cues, gravity)
        upright = [replace(person, landmarks=person.landmarks.stand_up(floor.up)) for person in people]
        stood = [
            self._stand(person, fit, cue, floor, k)
            for k, (person, fit, cue) in enumerate(zip(upright, fits, cues, strict=True))
        ]
        turned = [
            self._may_face_away(person, fit, cue, floor, k)
            for k, (person, fit, cue) in enumerate(zip(upright, stood, cues, strict=True))
        ]
        hangs = find_hanging(
            [fit.posed.landmarks for fit in stood],
            floor.up,
            [cue.feet for cue in cues],
            [bool(stands) for stands in floor.grounded],
        )
        group = self._finish(floor, cues, stood, turned, hangs)
        return replace(group, contradicted=gravity is not None and is_contradicted(floor.up, cues))

    def _agrees(self, refined: BodyFit, alone: BodyFit) -> bool:
        """Whether a fit to the mask agrees with the landmarks as well as one to them alone, nearly."""
        return bool(np.isfinite(refined.cost)) and refined.error < alone.error + MASK_COST

    def _read(
        self,
        people: Sequence[PersonObservation],
        fits: Sequence[BodyFit],
        heights: Sequence[float | None],
    ) -> list[PersonCue]:
        return [
            self._reader.read(fit, person.landmarks, person.mask, known=known)
            for person, fit, known in zip(people, fits, heights, strict=True)
        ]

    def _stand(
        self, person: PersonObservation, fit: BodyFit, cue: PersonCue, floor: FloorSolution, k: int
    ) -> BodyFit:
        """The fit on the floor, from the fit alone: to the mask too, unless that is somebody else's."""
        prior, ground = self._expect(fit, cue, floor, k)
        shape = fit.state.shape.copy()
        shape[[0, 3]] = make_shape(cue.stature * float(floor.scales[k]))[[0, 3]]
        state = BodyState(fit.state.rotations, fit.state.translation * floor.scales[k], shape)
        scaled = replace(fit, state=state)
        refined = self._silhouette.refine(scaled, person.landmarks, person.mask, prior=prior, further=ground)
        if refined is not scaled and self._agrees(refined, fit):
            return refined
        return self._fitter.solve(
            person.landmarks, prior=prior, initial=state, extra=ground, max_steps=STEPS_ON_FLOOR
        )

    def _may_face_away(
        self, person: PersonObservation, fit: BodyFit, cue: PersonCue, floor: FloorSolution, k: int
    ) -> bool:
        prior, ground = self._expect(fit, cue, floor, k)
        return may_face_away(self._fitter, fit.state, person.landmarks, prior, ground)

    def _expect(
        self, fit: BodyFit, cue: PersonCue, floor: FloorSolution, k: int
    ) -> tuple[FitPrior, GroundTerm | None]:
        """What the floor says of a person before it is fitted again."""
        stature = cue.stature * float(floor.scales[k]) if cue.known is None else cue.known
        shape = make_shape(stature)
        x, y, z = (float(value) for value in floor.up)
        prior = FitPrior(
            size=self._fitter.measure_size(shape),
            size_spread=FLOOR_SIZE if cue.known is None else KNOWN_SIZE,
            youth=float(shape[3]),
            youth_spread=KNOWN_YOUTH,
            up=(x, y, z),
        )
        if floor.offset is None or not floor.grounded[k]:
            return prior, None
        straight = measure_straightness(fit.posed.landmarks)
        return prior, GroundTerm(self._fitter.kinematics, floor.up, floor.offset, straightness=straight)

    def _finish(
        self,
        floor: FloorSolution,
        cues: Sequence[PersonCue],
        fits: Sequence[BodyFit],
        turned: Sequence[bool],
        hangs: Sequence[bool],
    ) -> GroupSolution:
        """Scale everyone who stands exactly onto the floor."""
        people = []
        for k, (cue, fit) in enumerate(zip(cues, fits, strict=True)):
            stands, scale = floor.grounded[k], 1.0
            if stands and floor.offset is not None:
                drop = -float((self._reader.place_soles(fit, cue.feet) @ floor.up).min())
                scale = floor.offset / drop if drop > MIN_DROP else 1.0
            people.append(
                GroupedPerson(
                    fit=fit,
                    scale=scale,
                    grounded=stands,
                    height_range=floor.ranges[k],
                    turned=turned[k],
                    hangs=hangs[k],
                )
            )
        return GroupSolution(up=floor.up, offset=floor.offset, people=tuple(people))
