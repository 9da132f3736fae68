"""Least squares from landmarks to a posed body: Levenberg-Marquardt with an analytic Jacobian.

Residuals, each over its own deviation: landmarks in the image (Cauchy loss), bone directions about the
viewing ray, the learned prior over poses, joint limits (`pose_terms`) and shape. See `observations` for the
input and `kinematics` for the parameters. The damping follows Marquardt (1963) with
the diagonal of the normal matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.initial_state import estimate_initial_state
from workers.engines.bodies.kinematics import SHAPE, BodyState, Kinematics, PosedSkeleton
from workers.engines.bodies.observations import (
    BONE_FROM,
    BONE_TO,
    SCALE_BONES,
    LandmarkObservation,
)
from workers.engines.bodies.pose_prior import load_pose_prior
from workers.engines.bodies.pose_terms import PRIOR_WORTH, PoseTerms

Floats = NDArray[np.float64]
Extra = Callable[[BodyState, PosedSkeleton], tuple[Floats, Floats, float]]
# The constants below are deviations, scales of robust losses and limits: chosen, not measured one by one.
# `python -m bench run bodies.fit` measures what they give together (docs/benchmarks/bodies.md).
# Landmarks in metres on the body; components of unit directions across and along the viewing ray.
LANDMARK_METRES = 0.02
DIRECTION_ACROSS, DIRECTION_ALONG = 0.20, 0.30
CAUCHY = 3.0
# Landmarks determine girth poorly; a mask determines it well, but includes clothes.
GIRTH_SPREAD, GIRTH_SPREAD_MASK = 0.35, 1.0
HEIGHT_SPREAD, SEX_SPREAD, YOUTH_SPREAD = 0.5, 0.6, 0.4
# Half a body is as young as it is expected to be, and no stiffer than that.
MIN_YOUTH_SPREAD = 0.004
# Height and youth may not pull against each other, and nobody is older than an adult.
STATURE_SPREAD, OLDER_SPREAD = 1.5, 0.05
# Most evaluations, and the relative gain of a step at which the fit has converged.
MAX_STEPS = 40
CONVERGED_GAIN = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPrior:
    """What a fit expects of a person before it looks.

    `size` is the mean length of the bones in units of 10 cm of stature about 1.70 m, see `BodyFitter.height`;
    `youth` is Anny's. Their spreads are deviations; that of youth holds for a body of which all is seen. `up`
    is a unit vector in the camera frame, `pose_worth` the weight of the prior over poses.
    """

    size: float = 0.0
    size_spread: float = HEIGHT_SPREAD
    youth: float = 0.0
    youth_spread: float = YOUTH_SPREAD
    girth_spread: float = GIRTH_SPREAD
    up: tuple[float, float, float] = (0.0, -1.0, 0.0)
    pose_worth: float = PRIOR_WORTH


DEFAULT_PRIOR = FitPrior()


@dataclass(frozen=True, slots=True, eq=False)
class BodyFit:
    """A finished fit; `error` is the weighted RMS distance of landmarks over the body's height in pixels."""

    state: BodyState
    posed: PosedSkeleton
    pixels: Floats
    error: float
    cost: float
    misfit: float
    """Cost of landmarks and bone directions alone, per unit of the landmarks' weight."""
    steps: int


class BodyFitter:
    """Fits one kinematic model to observations; holds only constant tables, so it can be shared."""

    def __init__(self, kinematics: Kinematics) -> None:
        self.kinematics = kinematics
        skeleton = kinematics.skeleton
        self._count = 3 * len(skeleton.joints)
        self._pose = PoseTerms(kinematics, load_pose_prior())
        rest = skeleton.model.base.landmarks
        self._lengths = np.linalg.norm(rest[BONE_TO] - rest[BONE_FROM], axis=1)
        units = np.eye(len(skeleton.model.shape_names))
        grown = np.array([_sum_bones(skeleton.model.rest(unit).landmarks) for unit in units])
        self._stretch = grown / _sum_bones(rest) - 1.0
        self._growth = float(self._stretch[skeleton.model.shape_names.index("height")])

    def height(self, observed: LandmarkObservation, trust: float) -> float:
        """The size that the world points' own metres suggest, `trust` in [0, 1] of the way.

        It is in units of 10 cm about 1.70 m, as long as the bones of a neutral adult of that height.
        """
        weights = observed.bone_weights[SCALE_BONES]
        if not weights.any():
            return 0.0
        ratio = float((weights @ observed.lengths[SCALE_BONES]) / (weights @ self._lengths[SCALE_BONES]))
        return float(np.clip(trust * (ratio - 1.0) / self._growth, -3.0, 3.0))

    def measure_size(self, shape: Floats) -> float:
        """The size of a shape (S,), in the units of `height`."""
        return float(self._stretch @ self.kinematics.coefficients(shape) / self._growth)

    def solve(
        self,
        observed: LandmarkObservation,
        *,
        prior: FitPrior = DEFAULT_PRIOR,
        initial: BodyState | None = None,
        extra: Extra | None = None,
        max_steps: int = MAX_STEPS,
        enough: float = -np.inf,
    ) -> BodyFit:
        """The body that best explains an observation.

        `extra` adds weighted residuals (N,), their Jacobian (N, P) and their robust cost. Deterministic, at
        most `max_steps` evaluations, and no more once the cost is `enough`.
        """
        state = estimate_initial_state(self.kinematics, observed, prior.size) if initial is None else initial
        posed = self.kinematics.pose(state)
        # Constant during the fit: if it changed with depth, moving away would lower the cost.
        scale = observed.pixels_per_metre(posed.landmarks[:, 2])
        residual, jacobian, cost = self._evaluate(state, posed, observed, prior, scale, extra)
        damping, steps = (1e-3 if extra is None else 1e-2), 0
        while steps < max_steps and cost > enough:
            steps += 1
            normal, gradient = jacobian.T @ jacobian, jacobian.T @ residual
            normal[np.diag_indices_from(normal)] *= 1.0 + damping
            normal[np.diag_indices_from(normal)] += 1e-9
            step = np.asarray(np.linalg.solve(normal, -gradient), dtype=np.float64)
            trial = state.update(step)
            trial_posed = self.kinematics.pose(trial)
            r, j, trial_cost = self._evaluate(trial, trial_posed, observed, prior, scale, extra)
            if not trial_cost < cost:
                damping *= 8.0
                if damping > 1e6:
                    break
                continue
            gain = (cost - trial_cost) / cost
            state, posed, residual, jacobian, cost = trial, trial_posed, r, j, trial_cost
            damping = max(damping / 6.0, 1e-7)
            if gain < CONVERGED_GAIN:
                break
        return self._finish(state, posed, observed, cost, steps)

    def rate(
        self,
        state: BodyState,
        observed: LandmarkObservation,
        prior: FitPrior,
        extra: Extra | None = None,
    ) -> float:
        """The cost of a state as it is, without any step."""
        posed = self.kinematics.pose(state)
        scale = observed.pixels_per_metre(posed.landmarks[:, 2])
        return self._evaluate(state, posed, observed, prior, scale, extra)[2]

    def _finish(
        self, state: BodyState, posed: PosedSkeleton, observed: LandmarkObservation, cost: float, steps: int
    ) -> BodyFit:
        pixels = observed.camera.project(posed.landmarks)
        distance = np.linalg.norm(pixels - observed.pixels, axis=1)
        weights = observed.weights + 1e-9
        rms = float(np.sqrt(np.average(distance**2, weights=weights)))
        scale = observed.pixels_per_metre(posed.landmarks[:, 2])
        image, (directions, _) = self._image(posed, observed, scale), self._directions(posed, observed)
        spent = float("inf") if image is None else image[2] + float(directions @ directions)
        return BodyFit(
            state=state,
            posed=posed,
            pixels=pixels,
            error=rms / (1.7 * scale),
            cost=cost,
            misfit=spent / float(weights.sum()),
            steps=steps,
        )

    def _evaluate(
        self,
        state: BodyState,
        posed: PosedSkeleton,
        observed: LandmarkObservation,
        prior: FitPrior,
        scale: float,
        extra: Extra | None,
    ) -> tuple[Floats, Floats, float]:
        """Residuals (N,) and Jacobian (N, P) with robust weights in, and the robust cost."""
        image = self._image(posed, observed, scale)
        if image is None:
            return np.zeros(1), np.zeros((1, self.kinematics.size)), float("inf")
        shape = self._shape(state, observed, prior)
        plain = [self._directions(posed, observed), shape]
        robust = [image, self._pose.evaluate(state, np.array(prior.up), prior.pose_worth)]
        if extra is not None:
            robust.append(extra(state, posed))
        residual = np.concatenate([part[0] for part in (*robust, *plain)])
        jacobian = np.concatenate([part[1] for part in (*robust, *plain)])
        cost = sum(part[2] for part in robust) + float(sum(r @ r for r, _ in plain))
        return residual, jacobian, cost

    def _image(
        self, posed: PosedSkeleton, observed: LandmarkObservation, scale: float
    ) -> tuple[Floats, Floats, float] | None:
        points, camera = posed.landmarks, observed.camera
        depth = points[:, 2]
        if depth.min() < 0.05:
            return None
        error = camera.project(points) - observed.pixels
        inverse = 1.0 / depth
        du = (camera.fx * inverse)[:, None] * (
            posed.jacobian[:, 0] - (points[:, 0] * inverse)[:, None] * posed.jacobian[:, 2]
        )
        dv = (camera.fy * inverse)[:, None] * (
            posed.jacobian[:, 1] - (points[:, 1] * inverse)[:, None] * posed.jacobian[:, 2]
        )
        unit = 1.0 / (LANDMARK_METRES * scale)
        squared = (error**2).sum(axis=1) * unit**2
        cost = float(observed.weights @ (CAUCHY**2 * np.log1p(squared / CAUCHY**2)))
        weight = unit * np.sqrt(observed.weights / (1.0 + squared / CAUCHY**2))
        residual = (error * weight[:, None]).T.reshape(-1)
        return residual, np.concatenate([du * weight[:, None], dv * weight[:, None]]), cost

    def _directions(self, posed: PosedSkeleton, observed: LandmarkObservation) -> tuple[Floats, Floats]:
        bones = (posed.landmarks[BONE_TO] - posed.landmarks[BONE_FROM]) @ observed.view
        jacobian = observed.view.T @ (posed.jacobian[BONE_TO] - posed.jacobian[BONE_FROM])
        length = np.linalg.norm(bones, axis=1)
        unit = bones / length[:, None]
        square = (jacobian - unit[:, :, None] * (unit[:, None] @ jacobian)) / length[:, None, None]
        deviation = np.array([DIRECTION_ACROSS, DIRECTION_ACROSS, DIRECTION_ALONG])
        weight = np.sqrt(observed.bone_weights)[:, None] / deviation
        residual = (unit - observed.directions) * weight
        return residual.reshape(-1), (square * weight[:, :, None]).reshape(residual.size, -1)

    def _shape(
        self, state: BodyState, observed: LandmarkObservation, prior: FitPrior
    ) -> tuple[Floats, Floats]:
        # youth shows in proportions, which are not known of half a body
        whole = max(float(observed.bone_weights[SCALE_BONES].mean()), 0.1)
        youth = max(prior.youth_spread * whole**2, MIN_YOUTH_SPREAD)
        spread = np.array([prior.size_spread, prior.girth_spread, SEX_SPREAD, youth])
        rows = np.eye(len(SHAPE))
        # the prior is on size: of two bodies of one size, a child's proportions do not make one smaller
        rows[0] = self._stretch @ self.kinematics.active(state.shape) / self._growth
        mean = np.zeros(len(SHAPE))
        mean[0], mean[3] = prior.size, prior.youth
        bounds = np.zeros((2, len(SHAPE)))
        bounds[0, 0] = 1.0 / STATURE_SPREAD
        bounds[1, 3] = 1.0 / OLDER_SPREAD if state.shape[3] < 0 else 0.0
        slopes = np.concatenate([rows / spread[:, None], bounds])
        jacobian = np.zeros((len(slopes), self.kinematics.size))
        jacobian[:, self._count + 3 :] = slopes
        return slopes @ state.shape - np.concatenate([mean / spread, np.zeros(2)]), jacobian


def _sum_bones(landmarks: Floats) -> float:
    """The summed length, in metres, of the bones that determine a body's size, from landmarks (33, 3)."""
    return float(np.linalg.norm((landmarks[BONE_TO] - landmarks[BONE_FROM])[SCALE_BONES], axis=1).sum())
