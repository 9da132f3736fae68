"""The person's mask as a residual: points on the body's outline are pulled to that of the mask.

Splatting the posed vertices into a coarse grid gives the outline; a signed distance field of the mask then
gives the distance and direction to the mask's outline. The outline is updated between short fits, as in
iterative closest points (Besl and McKay 1992).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.fit import DEFAULT_PRIOR, GIRTH_SPREAD_MASK, BodyFit, BodyFitter, Extra, FitPrior
from workers.engines.bodies.kinematics import BodyState, Kinematics, PosedSkeleton, cross
from workers.engines.bodies.observations import LandmarkObservation, weigh_confidence
from workers.engines.bodies.rig import Skinner
from workers.engines.protocols import Mask
from workers.geometry.boxes import mask_extent

Floats = NDArray[np.float64]
# The mask's longer side in the coarse grid, in cells; the margin is a share of it.
CELLS, MARGIN = 192, 0.25
# Most vertices of the outline; their deviation in metres, and where the robust loss levels off, in
# deviations. Chosen, not measured.
OUTLINE_POINTS = 240
OUTLINE_METRES, OUTLINE_REACH = 0.025, 2.0
# Total weight of the outline in units of a landmark: neighbouring points are correlated. The silhouette of a
# real person has an IoU of 0.76 at 320, 0.80 at 400 and 0.84 at 640; drawn people have the same errors at 400
# as at 320 and an MPJPE larger by 2 mm at 640 (docs/benchmarks/bodies.md).
OUTLINE_WORTH = 400.0
# Three rounds of four steps reach the overlap of four of five: the start is a fit on the floor.
ROUNDS, STEPS = 3, 4
# Weight of the prior over poses beside a mask, which determines a pose better than landmarks alone. Through
# BlazePose, drawn people have a PA-MPJPE of 55 mm at 0.1 and of 52 at 0.25 and 0.3; the silhouette of a real
# person keeps an IoU of 0.79 at 0.2.
POSE_WORTH = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class MaskDistanceField:
    """Signed distance (h, w) in image pixels, positive outside the mask, on a grid of `cell` pixels."""

    distance: NDArray[np.float32]
    x0: float
    y0: float
    cell: float
    known: Mask
    """Cells (h, w) inside the image; the mask is unknown outside."""

    @classmethod
    def from_mask(cls, mask: Mask) -> "MaskDistanceField | None":
        """The field around a mask; None when the mask is empty or fills the image."""
        if not mask.any() or mask.all():
            return None
        height, width = mask.shape
        x0, y0, x1, y1 = mask_extent(mask)
        extent = float(max(x1 - x0, y1 - y0))
        cell, pad = extent / CELLS, MARGIN * extent
        size = np.ceil(np.array([x1 - x0 + 2 * pad, y1 - y0 + 2 * pad]) / cell).astype(int)
        left, top = x0 - pad, y0 - pad
        u = left + (np.arange(size[0]) + 0.5) * cell
        v = top + (np.arange(size[1]) + 0.5) * cell
        inside = ((v >= 0) & (v < height))[:, None] & ((u >= 0) & (u < width))[None]
        at_v, at_u = np.clip(v.astype(int), 0, height - 1), np.clip(u.astype(int), 0, width - 1)
        small = (mask[np.ix_(at_v, at_u)] & inside).astype(np.uint8)
        outward = cv2.distanceTransform(1 - small, cv2.DIST_L2, 5)
        inward = cv2.distanceTransform(small, cv2.DIST_L2, 5)
        return cls((outward - inward) * np.float32(cell), float(left), float(top), float(cell), inside)

    def sample(self, pixels: Floats) -> tuple[Floats, Floats, Mask]:
        """Distance (N,), its gradient (N, 2) and whether it is known (N,) at pixels (N, 2), bilinear."""
        height, width = self.distance.shape
        x = (pixels[:, 0] - self.x0) / self.cell - 0.5
        y = (pixels[:, 1] - self.y0) / self.cell - 0.5
        known = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
        x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
        i, j = x.astype(int), y.astype(int)
        fx, fy = x - i, y - j
        d = self.distance
        a, b, c, e = d[j, i], d[j, i + 1], d[j + 1, i], d[j + 1, i + 1]
        value = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + e * fx) * fy
        dx = ((b - a) * (1 - fy) + (e - c) * fy) / self.cell
        dy = ((c - a) * (1 - fx) + (e - b) * fx) / self.cell
        return value, np.stack([dx, dy], axis=1), known & self.known[j, i] & self.known[j + 1, i + 1]


def find_outline(pixels: Floats, edge: MaskDistanceField) -> NDArray[np.int64]:
    """Vertices on the outline of projected vertices (V, 2), evenly spread, at most OUTLINE_POINTS."""
    height, width = edge.distance.shape
    x = np.floor((pixels[:, 0] - edge.x0) / edge.cell).astype(int)
    y = np.floor((pixels[:, 1] - edge.y0) / edge.cell).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    filled = np.zeros((height, width), np.uint8)
    filled[y[inside], x[inside]] = 1
    # Cells between neighbouring vertices are body too.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    filled = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, kernel)
    shell = filled - cv2.erode(filled, np.ones((3, 3), np.uint8), borderValue=0)
    chosen = np.flatnonzero(inside)[shell[y[inside], x[inside]] > 0]
    # One vertex per cell: crowded hands and faces must not outvote a leg.
    _, first = np.unique(y[chosen] * width + x[chosen], return_index=True)
    chosen = chosen[first]
    if len(chosen) > OUTLINE_POINTS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, OUTLINE_POINTS).astype(int)]
    out: NDArray[np.int64] = chosen.astype(np.int64)
    return out


class SilhouetteFitter:
    """Refines a fit by a mask."""

    def __init__(self, fit: BodyFitter, skinner: Skinner) -> None:
        self._fitter = fit
        self._skinner = skinner
        self._kinematics: Kinematics = fit.kinematics

    def refine(
        self,
        fit: BodyFit,
        observed: LandmarkObservation,
        mask: Mask,
        *,
        prior: FitPrior = DEFAULT_PRIOR,
        further: Extra | None = None,
        rounds: int = ROUNDS,
    ) -> BodyFit:
        """The fit with the mask (H, W) as a further residual; the same fit when the mask is empty or full.

        `prior` is that of `BodyFitter.solve`; residuals of `further` are added to the mask's.
        """
        prior = replace(prior, girth_spread=GIRTH_SPREAD_MASK, pose_worth=POSE_WORTH)
        edge = MaskDistanceField.from_mask(mask)
        if edge is None:
            return fit
        for _ in range(rounds):
            vertices = self._skinner.vertices(fit.state)
            if vertices[:, 2].min() < 0.05:
                return fit
            chosen = find_outline(observed.camera.project(vertices), edge)
            chosen = chosen[self._skinner.rigid[chosen]]
            if len(chosen) < 20:
                return fit
            term = SilhouetteTerm(
                self._kinematics, self._skinner, chosen, edge, observed, vertices[chosen, 2]
            )
            extra = term if further is None else join_terms(term, further)
            fit = self._fitter.solve(observed, prior=prior, initial=fit.state, extra=extra, max_steps=STEPS)
        return fit


def join_terms(*terms: Extra) -> Extra:
    """Several terms as one."""

    def evaluate(state: BodyState, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        residuals, jacobians, costs = zip(*(term(state, posed) for term in terms), strict=True)
        return np.concatenate(residuals), np.concatenate(jacobians), float(sum(costs))

    return evaluate


def weigh_joints(kinematics: Kinematics, observed: LandmarkObservation) -> Floats:
    """Visibility (M,) of each fitted joint: that of its landmarks, otherwise of its least visible child."""
    skeleton = kinematics.skeleton
    landmark = weigh_confidence(observed.confidence)
    out = np.ones(len(skeleton.joints))
    for m in reversed(range(len(out))):
        on = skeleton.riders == m
        if on.any():
            out[m] = landmark[on].mean()
        elif m in skeleton.parents[1:]:
            out[m] = out[1:][skeleton.parents[1:] == m].min()
    return out


class SilhouetteTerm:
    """Residuals of chosen vertices against the mask's outline, with the analytic Jacobian of skinning."""

    def __init__(
        self,
        kinematics: Kinematics,
        skinner: Skinner,
        chosen: NDArray[np.int64],
        edge: MaskDistanceField,
        observed: LandmarkObservation,
        depth: Floats,
    ) -> None:
        """`chosen` (N,) vertices and their `depth` (N,) in metres as the fit stands."""
        self._kinematics = kinematics
        self._edge = edge
        self._observed = observed
        self._points = skinner.subset(chosen)
        self._scale = 1.0 / (OUTLINE_METRES * observed.pixels_per_metre(depth))
        visibility = weigh_joints(kinematics, observed)
        strongest = self._points.riders[np.arange(len(chosen)), self._points.weights.argmax(axis=1)]
        self._weights = visibility[strongest] * (OUTLINE_WORTH / len(chosen))
        # how much of a point moves with each joint: the weights (N, 4, M) of its riders, and their sum
        skeleton = kinematics.skeleton
        self._carried = self._points.weights[:, :, None] * skeleton.above[self._points.riders]
        self._shares = self._carried.sum(axis=1)
        at = self._points.riders[:, :, None] == np.arange(len(skeleton.joints))
        self._ridden = (self._points.weights[:, :, None] * at).sum(axis=1)

    def __call__(self, state: BodyState, posed: PosedSkeleton) -> tuple[Floats, Floats, float]:
        kinematics, points, camera = self._kinematics, self._points, self._observed.camera
        levers = points.turn_arms(kinematics.coefficients(state.shape), posed.global_rotations)
        under = posed.joints[points.riders] + levers
        places = (points.weights[:, None] @ under)[:, 0]
        if places[:, 2].min() < 0.05:
            return np.zeros(1), np.zeros((1, kinematics.size)), float("inf")
        pixels = camera.project(places)
        distance, slope, known = self._edge.sample(pixels)
        inverse = 1.0 / places[:, 2]
        # d distance / d place (N, 3), through the projection.
        gradient = np.stack(
            [
                slope[:, 0] * camera.fx * inverse,
                slope[:, 1] * camera.fy * inverse,
                -(slope[:, 0] * camera.fx * places[:, 0] + slope[:, 1] * camera.fy * places[:, 1])
                * inverse**2,
            ],
            axis=1,
        )
        squared = (distance * self._scale) ** 2
        # Geman and McClure: an outline that is not the body's (hair, a bag) stops pulling.
        share = self._weights * known
        cost = float(share @ (squared / (1.0 + squared / OUTLINE_REACH**2)))
        weight = np.sqrt(share) * self._scale / (1.0 + squared / OUTLINE_REACH**2)
        gradient *= weight[:, None]

        return distance * weight, self._differentiate(state, posed, under, gradient), cost

    def _differentiate(
        self, state: BodyState, posed: PosedSkeleton, under: Floats, gradient: Floats
    ) -> Floats:
        """The Jacobian (N, P) of residuals with slopes (N, 3) by places, whose riders put them (N, 4, 3)."""
        points, turned = self._points, posed.global_rotations
        count, joints = len(gradient), len(turned)
        jacobian = np.empty((count, self._kinematics.size))
        # g . (axis x lever) = axis . (lever x g): one cross product for all riders and axes of a joint
        levers = under.transpose(2, 0, 1)[:, :, None] @ self._carried
        levers = levers[:, :, 0] - posed.joints.T[:, None] * self._shares
        moments = cross(levers.transpose(2, 1, 0), gradient)
        jacobian[:, : 3 * joints] = (moments @ turned).transpose(1, 0, 2).reshape(count, -1)
        jacobian[:, 3 * joints : 3 * joints + 3] = gradient
        grown = np.tensordot(self._kinematics.active(state.shape).T, points.arm_directions, 1)
        pulls = (gradient[:, None, None] @ turned[points.riders])[:, :, 0] * points.weights[:, :, None]
        carried = np.tensordot(self._ridden, posed.joint_shape, 1)
        by_arms = (grown * pulls).sum(axis=(2, 3)).T
        jacobian[:, 3 * joints + 3 :] = (gradient[:, None] @ carried)[:, 0] + by_arms
        return jacobian
