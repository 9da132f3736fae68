"""Which shape explains a mask: the one place where hypotheses are compared."""

from collections.abc import Sequence

from workers.engines.objects.single_view.cuboid import CuboidHypothesis
from workers.engines.objects.single_view.hypotheses import ShapeFit, ShapeHypothesis
from workers.engines.objects.single_view.inflation import InflationHypothesis
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.learned import LearnedHypothesis
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.revolution import RevolutionHypothesis

HYPOTHESES: tuple[ShapeHypothesis, ...] = (
    CuboidHypothesis(),
    RevolutionHypothesis(),
    LearnedHypothesis(),
    InflationHypothesis(),
)


def fit_hypotheses(view: MaskView, prior: LabelPrior) -> list[ShapeFit]:
    """The fits of all hypotheses to one view."""
    return [fit for hypothesis in HYPOTHESES for fit in hypothesis.fit(view, prior)]


def select(fits: Sequence[ShapeFit]) -> ShapeFit:
    """The best accepted fit: parametric before free-form, then by the IoU of the outline, then the first.

    A box or a solid of revolution that explains the outline determines the unseen side too; a free-form shape
    explains every outline: the learned one stands before the inflated one. Raises ValueError where no fit is
    accepted.
    """
    accepted = [fit for fit in fits if fit.accepted]
    return max(accepted, key=lambda fit: (not fit.is_free_form, fit.outline_iou))
