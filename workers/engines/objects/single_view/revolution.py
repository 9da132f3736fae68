"""Solids of revolution: the tilt of the axis that explains an outline.

Where a mask alone leaves the tilt open, the steepest tilt that still explains it is taken: flat tops and
bottoms then come out flat. Of the tilts that explain it, the one is preferred whose front agrees with what
the network reads off the image, and where that looks into the solid, it becomes hollow. Outlines that every
tilt explains are of round things, whose tilt does not matter; they are left to inflation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import CoarseMask
from workers.engines.objects.single_view.front_agreement import measure_disagreement
from workers.engines.objects.single_view.hypotheses import ShapeFit, ShapeName, build_parametric_fit
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.mirror_axis import MirrorAxis, find_upright_axis
from workers.engines.objects.single_view.profile import fit_profile, pierce
from workers.engines.objects.single_view.registration import Registered, register
from workers.engines.objects.single_view.revolution_solid import SolidOfRevolution

Array = NDArray[np.float64]
# Mirror symmetry, as IoU, that the mask needs: in general, and where the label says it is turned (a handle).
MIN_SYMMETRY, MIN_SYMMETRY_EXPECTED = 0.93, 0.8
# IoU with the coarse mask from which a solid is a candidate, in general and where the label says so.
MIN_IOU, MIN_IOU_EXPECTED = 0.94, 0.93
# Holes over this share of the mask are holes of the object.
MAX_HOLE_SHARE = 0.01
# Tilts that are tried, in degrees; from the steepest on, the outline leaves the tilt open.
STEEPEST, TILT_STEP = 60, 5
TILTS = tuple(range(0, STEEPEST + 1, TILT_STEP))
# Pitch in degrees of a usual camera that looks down on a table, taken where the outline leaves it open.
USUAL_TILT = 25
# IoU below the best that a tilt may have and still explain the outline; with a hole, which fits less exactly.
TILT_TOLERANCE, PIERCED_TOLERANCE = 0.0075, 0.03
# The same where depth determines the tilt.
MEASURED_TOLERANCE = 0.02
# What ten degrees between a tilt and the outline's own count against it, as a mean difference between its
# front and the network's in sizes of the object; and the length over width beyond which the network does not
# choose: its front slopes too little there. On 101 solids of the development halves and of training's objects
# that are shorter, IoU and F@.05 gain 0.013 and 0.021 over the outline's tilt; nine longer ones lose 0.04 and
# 0.05. Weights from 0 to 0.016 differ by 0.003.
TILT_WEIGHT, MAX_ASKED_RATIO = 0.004, 3.5
# By how much less a hollow solid's front differs from the network's for it to be taken, in sizes of the
# object: of bowls and cups that are looked into 0.07 to 0.17, of cans -0.04 to -0.17.
HOLLOW_GAIN = 0.01
# Share of what half a pixel costs in IoU by which the tolerance grows for masks of few pixels, and the IoU
# above which it does not: what the steps of pixels cost says nothing against a tilt.
STEP_SHARE, EXACT_IOU = 0.3, 0.98
# Long over short side up to which an ellipse or an outline of any tilt counts as a ball.
MAX_ROUND_ASPECT = 1.35
# Length over width from which the ends are too few samples to tell the tilt, and over which trust fades.
SLENDER_RATIO, SLENDER_RANGE = 5.0, 3.0


class RevolutionHypothesis:
    """Solids of revolution about a nearly upright axis, closed or with a hole along it."""

    name: ShapeName = "turned"

    def fit(self, view: MaskView, prior: LabelPrior) -> Iterator[ShapeFit]:
        """At most one solid."""
        if not view.is_parametric or prior.excludes(self.name):
            return
        coarse, expected = view.coarse, prior.expects(self.name)
        mirror = find_upright_axis(coarse)
        if mirror.symmetry < (MIN_SYMMETRY_EXPECTED if expected else MIN_SYMMETRY):
            return
        solids = [fit_profile(coarse, mirror, tilt) for tilt in TILTS]
        best = max(solid.iou for solid in solids)
        if best < (MIN_IOU_EXPECTED if expected else MIN_IOU):
            return
        tolerance = max(TILT_TOLERANCE, STEP_SHARE * (1 - view.attainable_iou))
        if coarse.hole_share() > MAX_HOLE_SHARE:
            solid, others = _best_pierced(coarse, solids, best), []
        else:
            allowed = _list_explaining(solids, best, tolerance)
            solid = _choose_tilt(coarse, mirror, allowed, best, tolerance)
            others = [other for other in solids if other.iou >= best - MEASURED_TOLERANCE]
            if solid is not None and view.image is not None and view.depth is None:
                is_slender = mirror.length_to_width(coarse) > MAX_ASKED_RATIO
                solid = _ask_network(solid, [] if is_slender else allowed, view)
        if solid is None:
            return
        measured, axes = _register_best([solid, *others], view) if view.depth is not None else (None, None)
        axes = solid.axes() if axes is None else axes
        yield build_parametric_fit(self.name, solid.mesh(), axes, solid.iou, view, prior, measured)


def _register_best(
    solids: Sequence[SolidOfRevolution], view: MaskView
) -> tuple[Registered, Array] | tuple[None, None]:
    """The solid that depth agrees with best, moved to it, and its axes; None where depth says too little."""
    registered = [(register(*solid.mesh(), view), solid.axes()) for solid in solids]
    trials = [(measured, axes) for measured, axes in registered if measured is not None]
    return max(trials, key=lambda trial: trial[0].score, default=(None, None))


def _ask_network(
    solid: SolidOfRevolution, allowed: Sequence[SolidOfRevolution], view: MaskView
) -> SolidOfRevolution:
    """The solid among those that explain the mask that agrees best with the network's front, or a hollow one.

    The tilt of `solid` is what the outline says, and of `allowed` as many as may be chosen instead.
    """
    trials = [(measure_disagreement(*trial.mesh(), view), trial) for trial in (solid, *allowed)]
    closed, best = min(
        trials, key=lambda trial: trial[0] + TILT_WEIGHT * ((trial[1].tilt - solid.tilt) / 10) ** 2
    )
    hollow = best.hollow_out()
    if hollow is not None and closed - measure_disagreement(*hollow.mesh(), view) > HOLLOW_GAIN:
        return hollow
    return best


def _list_explaining(
    solids: Sequence[SolidOfRevolution], best: float, tolerance: float
) -> list[SolidOfRevolution]:
    """The solids whose tilts explain the mask about as well as the best one."""
    required = min(best - TILT_TOLERANCE, max(best - tolerance, EXACT_IOU))
    return [solid for solid in solids if solid.iou >= required]


def _choose_tilt(
    coarse: CoarseMask,
    mirror: MirrorAxis,
    allowed: Sequence[SolidOfRevolution],
    best: float,
    tolerance: float,
) -> SolidOfRevolution | None:
    """The steepest of the solids that explain the mask; None for outlines that may be of a ball."""
    compact = coarse.aspect() < MAX_ROUND_ASPECT
    if compact and coarse.ellipse_iou() >= best - tolerance:
        return None
    steepest = max(solid.tilt for solid in allowed)
    if steepest >= STEEPEST:
        if compact:
            return None
        steepest = USUAL_TILT
    trust = (SLENDER_RATIO - mirror.length_to_width(coarse)) / SLENDER_RANGE
    trust = float(np.clip(trust, 0, 1))
    return fit_profile(coarse, mirror, trust * steepest + (1 - trust) * USUAL_TILT)


def _best_pierced(
    coarse: CoarseMask, solids: Sequence[SolidOfRevolution], best: float
) -> SolidOfRevolution | None:
    """The solid with a hole along its axis that explains the mask and its holes best."""
    candidates = [solid for solid in solids if solid.iou >= best - PIERCED_TOLERANCE]
    pierced = [solid for solid in (pierce(coarse, candidate) for candidate in candidates) if solid]
    return max(pierced, key=lambda solid: solid.iou, default=None)
