"""Fits MHR to surfaces that have its vertices, such as SMPL's by Meta's map; a track keeps one person.

The stages are those of Meta's own converter (facebookresearch/MHR, `tools/mhr_smpl_conversion`): the root,
the pose, then the person and the pose together; here by Gauss-Newton with exact derivatives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.mhr.arrays import EXPRESSION, IDENTITY, PER_JOINT, MhrArrays, compute_chain
from workers.engines.bodies.mhr.derivatives import OWN_COLUMNS, POSE_SIZE, MhrPoints, MhrState
from workers.engines.bodies.mhr.layout import PARAMETERS, POSE, ROTATION, TRANSLATION, to_euler
from workers.engines.bodies.mhr.model import Floats
from workers.engines.bodies.rotations import kabsch
from workers.engines.bodies.shared_least_squares import SharedPrior, System, minimise

# Vertices per joint among those that it carries most, so that fingers count as much as the trunk, and of the
# face where its expression is fitted. Chosen, not measured.
POINTS_PER_JOINT, FACE_POINTS = 6, 200
# share of the largest movement by an expression from which a vertex is of the face
OF_FACE = 0.1
# Deviation of a point in metres, and how many points weigh as much as all together, whatever their number.
# On six made-up bodies surfaces lay 2.2 to 6.7 mm apart with 10 mm, and 1.6 to 4.8 mm with 3 mm.
SURFACE_METRES, EFFECTIVE_POINTS = 0.003, 60
# Deviations of joint angles in radians, of bones' sizes (exponents of 2), of identity and expression. Those
# of four real outputs of SAM 3D Body are 0.32, 0.13 and 0.65; no expression was seen.
ANGLE_SPREAD, SIZE_SPREAD, IDENTITY_SPREAD, EXPRESSION_SPREAD = 1.0, 0.3, 1.0, 1.0
# deviation of what must not move; the root is free
FIXED, FREE = 1e-9, 1e6
# Most steps of each stage, and of a frame that starts from its neighbour.
POSE_STEPS, PERSON_STEPS, NEXT_STEPS = 40, 40, 12
# Frames of a track that decide the person, and the mean distance in metres from which a frame starts anew.
PERSON_FRAMES, FAR_METRES = 8, 0.05


@dataclass(frozen=True, slots=True, eq=False)
class MhrBody:
    """A fitted state, its vertices (V, 3) in metres, and their mean distance to the wanted ones."""

    state: MhrState
    vertices: Floats
    surface_error: float


class MhrFitter:
    """Fits one model; `expressions` says whether the face may move."""

    def __init__(self, arrays: MhrArrays, *, expressions: bool = False) -> None:
        self._arrays = arrays
        self._chosen = choose_vertices(arrays, face=expressions)
        self._points = MhrPoints(arrays, self._chosen)
        self._surface = MhrPoints(arrays, np.arange(len(arrays.base)))
        face = EXPRESSION_SPREAD if expressions else FIXED
        spread = np.concatenate([np.full(POSE_SIZE, ANGLE_SPREAD), np.full(EXPRESSION, face)])
        spread[TRANSLATION] = spread[ROTATION] = FREE
        self._own_precision = spread**-2.0
        sizes = np.full(PARAMETERS - POSE_SIZE, SIZE_SPREAD)
        self._prior = SharedPrior(np.concatenate([sizes, np.full(IDENTITY, IDENTITY_SPREAD)]))

    def fit_track(self, frames: int, read: Callable[[int], Floats]) -> list[MhrBody]:
        """A body per frame, of one person; `read` gives the wanted vertices (V, 3) of a frame in metres.

        A few frames, evenly among all, decide the person; then each frame begins at its neighbour's pose.
        """
        chosen = np.unique(np.linspace(0, frames - 1, min(PERSON_FRAMES, frames)).astype(int)).tolist()
        known = dict(zip(chosen, self._fit_person([read(k)[self._chosen] for k in chosen]), strict=True))
        bodies: list[MhrBody] = []
        state = known[0]
        for frame in range(frames):
            wanted = read(frame)
            state = known[frame] if frame in known else self._fit_next(wanted[self._chosen], state)
            vertices = self._surface.place(state)
            distance = np.linalg.norm(vertices - wanted, axis=1)
            bodies.append(MhrBody(state, vertices, float(distance.mean())))
        return bodies

    def _fit_person(self, wanted: Sequence[Floats]) -> list[MhrState]:
        posed = [
            self._solve([self._align(each, MhrState.rest())], [each], POSE_STEPS, person_is_known=True)[0]
            for each in wanted
        ]
        return self._solve(posed, wanted, PERSON_STEPS)

    def _fit_next(self, wanted: Floats, state: MhrState) -> MhrState:
        """The state of a frame, from that of the frame before and of the same person."""
        if np.linalg.norm(self._points.place(state) - wanted, axis=1).mean() > FAR_METRES:
            state = self._align(wanted, state)
        [found] = self._solve([state], [wanted], NEXT_STEPS, person_is_known=True)
        if np.linalg.norm(self._points.place(found) - wanted, axis=1).mean() > FAR_METRES:
            parameters = found.parameters.copy()
            parameters[POSE] = 0
            anew = self._align(wanted, replace(found, parameters=parameters))
            [found] = self._solve([anew], [wanted], POSE_STEPS, person_is_known=True)
        return found

    def _align(self, wanted: Floats, state: MhrState) -> MhrState:
        """The state with its root turned and moved so that the points lie as near as they can."""
        parameters = state.parameters.copy()
        parameters[TRANSLATION] = parameters[ROTATION] = 0
        rest = replace(state, parameters=parameters)
        points = self._points.place(rest)
        turn = kabsch(points, wanted, np.ones(len(points)))
        root = int(np.flatnonzero(self._arrays.transform[:, ROTATION.start])[0]) // PER_JOINT
        frame = compute_chain(self._arrays, parameters).linear[root]
        frame = frame / np.cbrt(np.linalg.det(frame))
        parameters[ROTATION] = to_euler(frame.T @ turn @ frame)
        turned = replace(state, parameters=parameters)
        at, slopes = self._points.linearise(turned)
        shift = np.linalg.solve(slopes[:, :, TRANSLATION].mean(axis=0), (wanted - at).mean(axis=0))
        parameters[TRANSLATION] = shift
        return replace(state, parameters=parameters)

    def _solve(
        self,
        start: Sequence[MhrState],
        wanted: Sequence[Floats],
        steps: int,
        *,
        person_is_known: bool = False,
    ) -> list[MhrState]:
        def build(states: Sequence[MhrState]) -> list[System]:
            return [self._build(*pair) for pair in zip(states, wanted, strict=True)]

        return minimise(
            start,
            build,
            lambda state, step: state.move(step),
            lambda state: state.read_shared(),
            self._prior,
            steps,
            shared_is_known=person_is_known,
        )

    def _build(self, state: MhrState, wanted: Floats) -> System:
        points, slopes = self._points.linearise(state)
        scale = 1 / (SURFACE_METRES * np.sqrt(max(len(points) / EFFECTIVE_POINTS, 1)))
        residual = scale * (points - wanted).ravel()
        jacobian = scale * slopes.reshape(len(residual), -1)
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ residual
        own = state.read_own()
        rows = np.arange(OWN_COLUMNS)
        normal[rows, rows] += self._own_precision
        gradient[:OWN_COLUMNS] += self._own_precision * own
        return normal, gradient, float(residual @ residual + self._own_precision @ own**2)


def choose_vertices(arrays: MhrArrays, *, face: bool = False) -> NDArray[np.int64]:
    """Vertices evenly among those that each joint carries most, and with `face` among those it moves."""
    strongest = np.take_along_axis(
        arrays.skin_joints, np.argmax(arrays.skin_weights, axis=1)[:, None], axis=1
    )[:, 0]
    chosen = []
    for joint in range(len(arrays.parents)):
        chosen.append(_spread(np.flatnonzero(strongest == joint), POINTS_PER_JOINT))
    if face:
        moved = np.abs(arrays.directions[IDENTITY:]).max(axis=(0, 2))
        chosen.append(_spread(np.flatnonzero(moved > OF_FACE * moved.max()), FACE_POINTS))
    return np.unique(np.concatenate(chosen))


def _spread(vertices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most so many of the vertices, evenly."""
    rows = np.linspace(0, len(vertices) - 1, min(count, len(vertices))).astype(int)
    return np.asarray(vertices[rows])
