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
from workers.engines.objects.single_view.registration import register
from workers.engines.objects.single_view.surface import Surface, surface_from_mesh

Array = NDArray[np.float64]
ShapeName = Literal["box", "turned", "learned", "inflated"]
# IoU that the full-size silhouette of a parametric fit needs, or as much as an outline half a pixel off still
# has. Of boxes between 0.92 and 0.94, five of six held-out real objects come out better than learned, by 0.12
# of IoU in the mean; solids of revolution below 0.94 do not.
REQUIRED_IOU: dict[ShapeName, float] = {"box": 0.92, "turned": 0.94}
# By how much less a fit needs where the label names its class.
EXPECTED_LENIENCE = 0.01
# Share of the measured samples that lie on the surface of a parametric shape which is not hollow.
REQUIRED_AGREEMENT = 0.7


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
    mesh: tuple[Array, NDArray[np.int64]],
    axes: Array,
    outline_iou: float,
    view: MaskView,
    prior: LabelPrior,
) -> ShapeFit:
    """The fit of a mesh in the camera frame: vertices (V, 3) at about z = 1 and faces (F, 3).

    `axes` (3, 3) has the shape's x, y (up) and z (to the camera) as rows.
    """
    vertices, faces = mesh
    required = REQUIRED_IOU[name]
    required = required - EXPECTED_LENIENCE if prior.expects(name) else min(required, view.attainable_iou)
    accepted = view.silhouette_iou(vertices, faces) >= required
    registered = None if view.depth is None else register(vertices, faces, view)
    build = partial(surface_from_mesh, vertices, faces, axes, view.mask, view.camera)
    if registered is not None and registered.agreeing >= REQUIRED_AGREEMENT:
        moved = surface_from_mesh(registered.vertices, faces, axes, view.mask, view.camera)
        build = partial(replace, moved, is_metric=True)
    elif registered is not None and registered.is_hollow:
        build = partial(build_measured_solid, registered.vertices, faces, view)
    elif view.depth is not None:
        accepted = False
    return ShapeFit(
        name=name, outline_iou=outline_iou, accepted=accepted, is_free_form=False, build_surface=build
    )
