"""Inflation: a free-form surface whose outline is the mask's and whose unseen side mirrors the front.

After Teddy (Igarashi 1999), in ray space: every point stays on its pixel's ray, so the outline from the input
camera is exact. The thickness is estimated from the outline, or measured where depth is given.
"""

from collections.abc import Iterator

import numpy as np

from workers.engines.objects.single_view.closed_sheet import close_sheet, symmetric_depths
from workers.engines.objects.single_view.depth_alignment import align_sheet
from workers.engines.objects.single_view.hypotheses import ShapeFit, ShapeName
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.relaxation import spread_evenly
from workers.engines.objects.single_view.surface import Surface, surface_from_closed_sheet
from workers.engines.objects.single_view.thickness import estimate_thickness
from workers.engines.objects.single_view.triangulation import triangulate


class InflationHypothesis:
    """Explains every mask."""

    name: ShapeName = "inflated"

    def fit(self, view: MaskView, prior: LabelPrior) -> Iterator[ShapeFit]:
        """Exactly one surface; the prior's thickness scales it."""
        yield ShapeFit(
            name=self.name,
            outline_iou=view.lattice.iou,
            accepted=True,
            is_free_form=True,
            build_surface=lambda: inflate(view, prior.thickness or 1.0),
        )


def inflate(view: MaskView, factor: float) -> Surface:
    """The surface of an outline, its thickness times `factor`, or measured by the view's depth."""
    sheet = triangulate(view.lattice)
    thickness = estimate_thickness(view.lattice, sheet, factor)
    sheet = spread_evenly(sheet, thickness)
    measured = None
    if view.depth is not None:
        measured = align_sheet(view.depth, view.mask, sheet, thickness, view.camera)
    if measured is not None:
        front, back, rim = measured.front, measured.back, measured.rim
    else:
        half = thickness.at(sheet.points[: sheet.inner])
        front, back = symmetric_depths(half, view.camera.focal_length)
        rim = np.ones(len(sheet.points) - sheet.inner)
    closed = close_sheet(sheet, view.camera, front, back, rim)
    return surface_from_closed_sheet(closed, thickness, is_metric=measured is not None)
