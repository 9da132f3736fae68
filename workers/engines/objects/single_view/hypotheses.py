"""What a shape hypothesis is: a family of shapes that may explain a mask, and its fits.

As with scikit-image's models behind `ransac`, each family has one method, `fit`, and one place,
`selection.py`, chooses among all fits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.measured_solid import build_measured_solid
from workers.engines.objects.single_view.registration import Registered
from workers.engines.objects.single_view.surface import Surface, surface_from_mesh

Array = NDArray[np.float64]
Mesh = tuple[Array, NDArray[np.int64]]
ShapeName = Literal["box", "turned", "learned", "inflated"]
# IoU that the full-size silhouette of a parametric fit needs, or as much as an outline half a pixel off still
# has. Of boxes between 0.92 and 0.94, five of six held-out real objects come out better than learned, by 0.12
# of IoU in the mean; solids of revolution below 0.94 do not.
REQUIRED_IOU: dict[ShapeName, float] = {"box": 0.92, "turned": 0.94}
# By how much less a fit needs where the label names its class.
EXPECTED_LENIENCE = 0.01
# Share of the measured samples within 1% from which a shape is taken as it is, with clean sides; below, what
# was measured becomes its front. On eight boxes above it that training saw, IoU is the same either way, and
# on 12 below it 0.008 better with the measured front.
EXACT_SHARE = 0.955


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeFit:
    """One shape that may explain a mask.

    `outline_iou` is its IoU with the resampled mask, by which fits are compared. A fit that is not `accepted`
    misses too much of the full-size mask, or the depth map contradicts it. `is_free_form` says that the
    shape follows any outline, so that a good outline says nothing about its other sides. `build_surface`
    computes the surface: only that of the selected fit is needed, and inflating takes longer than all fits.
    """

    name: ShapeName
    outline_iou: float
    accepted: bool
    is_free_form: bool
    build_surface: Callable[[], Surface]


class ShapeHypothesis(Protocol):
    """A family of shapes; `name` is reported as the flag `shape_<name>`."""

    name: ShapeName

    def fit(self, view: MaskView, prior: LabelPrior) -> Iterable[ShapeFit]:
        """The shapes of this family that may explain the view; none where the family does not apply."""
        ...


def build_parametric_fit(
    name: ShapeName,
    mesh: Mesh,
    axes: Array,
    outline_iou: float,
    view: MaskView,
    prior: LabelPrior,
    measured: Registered | None = None,
) -> ShapeFit:
    """The fit of a mesh in the camera frame: vertices (V, 3) at about z = 1 and faces (F, 3).

    `axes` (3, 3) has the shape's x, y (up) and z (to the camera) as rows. Where the view has depth, the
    surface is that of `measured`, the shape moved to it; None says that the map determines none.
    """
    required = REQUIRED_IOU[name]
    required = required - EXPECTED_LENIENCE if prior.expects(name) else min(required, view.attainable_iou)
    accepted = view.silhouette_iou(*mesh) >= required
    build = partial(surface_from_mesh, *mesh, axes, view.mask, view.camera)
    if measured is not None and measured.exact >= EXACT_SHARE:
        moved = surface_from_mesh(measured.vertices, measured.faces, axes, view.mask, view.camera)
        build = partial(replace, moved, is_metric=True)
    elif measured is not None:
        build = partial(build_measured_solid, measured.vertices, measured.faces, axes, view)
    if view.depth is not None:
        accepted = accepted and measured is not None and measured.is_confirmed
    return ShapeFit(
        name=name, outline_iou=outline_iou, accepted=accepted, is_free_form=False, build_surface=build
    )
