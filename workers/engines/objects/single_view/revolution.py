"""Solids of revolution: the tilt of the axis that explains an outline.

Where a mask alone leaves the tilt open, the steepest tilt that still explains it is taken: flat tops and
bottoms then come out flat. Outlines that every tilt explains are of round things, whose tilt does not matter;
they are left to inflation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.coarse_mask import CoarseMask
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
            solid = _choose_tilt(coarse, mirror, solids, best, tolerance)
            others = [other for other in solids if other.iou >= best - MEASURED_TOLERANCE]
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


def _choose_tilt(
    coarse: CoarseMask,
    mirror: MirrorAxis,
    solids: Sequence[SolidOfRevolution],
    best: float,
    tolerance: float,
) -> SolidOfRevolution | None:
    """The solid of the steepest tilt that explains the mask; None for outlines that may be of a ball."""
    compact = coarse.aspect() < MAX_ROUND_ASPECT
    if compact and coarse.ellipse_iou() >= best - tolerance:
        return None
    required = min(best - TILT_TOLERANCE, max(best - tolerance, EXACT_IOU))
    steepest = max(solid.tilt for solid in solids if solid.iou >= required)
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
