"""A free-form surface whose front and back a network reads off the image: the learned shape prior.

The network sees a crop (`prior_input`) and gives for each pixel the depth of the object's front and of its
back, in the object's size, with the scale of their errors. The outline stays the mask's: the two depths are
put on the sheet that inflation uses, and joined at its rim.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.closed_sheet import MIN_THICKNESS, close_sheet
from workers.engines.objects.single_view.coarse_mask import attainable_iou
from workers.engines.objects.single_view.depth_fusion import fuse_depth
from workers.engines.objects.single_view.hypotheses import ShapeFit, ShapeName
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.prior_input import PriorCrop
from workers.engines.objects.single_view.relaxation import spread_evenly
from workers.engines.objects.single_view.surface import Surface, surface_from_closed_sheet
from workers.engines.objects.single_view.thickness import Thickness, estimate_thickness
from workers.engines.objects.single_view.triangulation import Sheet, triangulate

Array = NDArray[np.float64]
# Steps of the lattice over which front and back meet at the rim, with the mask alone and with depth. On 17
# real objects that are not judged on, 1.5 costs 0.003 of IoU, gains 0.004 of F@.05 and smooths the rim; with
# depth, 5 gains 0.009 and 0.004.
RIM_STEPS, MEASURED_RIM_STEPS = 1.5, 5.0
# Long over short side up to which an ellipse counts as a ball (plates look rounder only from more than 56
# degrees above), and the IoU with an ellipse that its outline has.
MAX_BALL_ASPECT, MIN_BALL_IOU, MAX_HOLE_SHARE = 1.2, 0.97, 0.01


class LearnedHypothesis:
    """Explains every mask whose image is known."""

    name: ShapeName = "learned"

    def fit(self, view: MaskView, prior: LabelPrior) -> Iterator[ShapeFit]:
        """One surface; none without an image, for balls, and where the label says how thick the thing is."""
        if view.image is None or prior.thickness is not None or prior.shape == "round" or _is_ball(view):
            return
        yield ShapeFit(
            name=self.name,
            outline_iou=view.lattice.iou,
            accepted=True,
            is_free_form=True,
            build_surface=lambda: build_learned_surface(view),
        )


def _is_ball(view: MaskView) -> bool:
    """Whether the outline is that of a ball, which inflation reproduces exactly."""
    if view.parts > 1 or view.is_truncated or not view.coarse.mask.any():
        return False
    if view.coarse.hole_share() > MAX_HOLE_SHARE:
        return False
    required = min(MIN_BALL_IOU, attainable_iou(view.coarse.mask), view.attainable_iou)
    return view.coarse.aspect() <= MAX_BALL_ASPECT and view.coarse.ellipse_iou() >= required


def build_learned_surface(view: MaskView) -> Surface:
    """The surface of an outline between the network's front and back, measured where the view has depth."""
    predicted = view.predicted
    sheet = triangulate(view.lattice)
    thickness = estimate_thickness(view.lattice, sheet)
    sheet = spread_evenly(sheet, thickness)
    rays = view.camera.unproject(sheet.points, np.ones(len(sheet.points)))
    front, back = (
        predicted.crop.to_real_depth(rays, predicted.sample(values, rays))
        for values in (predicted.front, predicted.back)
    )
    is_metric = False
    if view.depth is not None:
        fused = fuse_depth(
            view,
            sheet.points,
            front,
            back,
            predicted.sample(predicted.error, rays),
            predicted.crop.extent,
        )
        if fused is not None:
            front, back, is_metric = *fused, True
    front, back = _round_rim(front, back, thickness, sheet, predicted.crop, view, is_measured=is_metric)
    inner = sheet.inner
    rim = (front[inner:] + back[inner:]) / 2
    closed = close_sheet(sheet, view.camera, front[:inner], back[:inner], rim)
    surface = surface_from_closed_sheet(closed, thickness, is_metric=is_metric)
    return replace(surface, expected_error=predicted.expected_error)


def _round_rim(
    front: Array,
    back: Array,
    thickness: Thickness,
    sheet: Sheet,
    crop: PriorCrop,
    view: MaskView,
    *,
    is_measured: bool,
) -> tuple[Array, Array]:
    """Front and back (N,) of a sheet that meet at its rim in a round edge.

    What the network gives there differs, and points at various distances from the rim would make the wall
    between them wavy. The profile is an ellipse, as wide as a round edge would be, but of a few steps of the
    lattice at most. A measured front stays.
    """
    distance = thickness.distance(sheet.points)
    distance[sheet.inner :] = 0.0
    across = np.maximum(back - front, MIN_THICKNESS * crop.extent * float(np.median(front)))
    steps = MEASURED_RIM_STEPS if is_measured else RIM_STEPS
    width = np.minimum(steps * thickness.lattice.step, across / 2 / front * view.camera.focal_length)
    share = np.sqrt(1 - (1 - np.clip(distance / np.maximum(width, 1e-9), 0, 1)) ** 2)
    if is_measured:
        return front, front + across * share
    middle = front + across / 2
    return middle - across / 2 * share, middle + across / 2 * share
