"""A free-form surface whose front and back a network reads off the image: the learned shape prior.

The network sees a crop (`prior_input`) and gives for each pixel the depth of the object's front and of its
back, in the object's size, with the scale of their errors. The outline stays the mask's: the two depths are
put on the sheet that inflation uses, and joined at its rim.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from workers.engines.objects.single_view.closed_sheet import MIN_THICKNESS, close_sheet
from workers.engines.objects.single_view.coarse_mask import attainable_iou
from workers.engines.objects.single_view.depth_fusion import fuse_depth
from workers.engines.objects.single_view.hypotheses import ShapeFit, ShapeName
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.prior_input import PriorCrop, build_prior_crop
from workers.engines.objects.single_view.relaxation import spread_evenly
from workers.engines.objects.single_view.surface import Surface, surface_from_closed_sheet
from workers.engines.objects.single_view.thickness import Thickness, estimate_thickness
from workers.engines.objects.single_view.triangulation import Sheet, triangulate
from workers.engines.protocols import Mask
from workers.engines.weights import open_session

Array = NDArray[np.float64]
WEIGHTS = "shape_prior.onnx"
# Steps of the lattice over which front and back meet at the rim, with the mask alone and with depth. On 17
# real objects that are not judged on, 1.5 costs 0.003 of IoU, gains 0.004 of F@.05 and smooths the rim; with
# depth, 5 gains 0.009 and 0.004.
RIM_STEPS, MEASURED_RIM_STEPS = 1.5, 5.0
# Factor of the object's depth where none is measured: the network's depths are means of what the object may
# be, and flatter than each of it, by more than the factor that the network gives itself. On 52 held-out
# objects of the first half 1.0 and 1.1 reach IoU 0.585 and 0.590 and F@.05 0.581 and 0.582; with depth every
# factor loses.
STRETCH = 1.1
# Crops whose depths are averaged: degrees of roll, zoom, and whether the mirror image is seen, so that the
# mirror image of a photo gives the mirror image. On 81 held-out views of the first half the four lower the
# front's error by 0.002 of the size, and what 512 instead of 256 pixels change from 0.012 to 0.007 of the
# volume's IoU; up to ten crops do no more, their median less. With depth only the plain crop is seen.
CROPS = ((-5.0, 1.0, False), (5.0, 1.0, True), (5.0, 1.06, False), (-5.0, 1.06, True))
# Long over short side up to which an ellipse counts as a ball (plates look rounder only from more than 56
# degrees above), and the IoU with an ellipse that its outline has.
MAX_BALL_ASPECT, MIN_BALL_IOU, MAX_HOLE_SHARE = 1.2, 0.97, 0.01
_session_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class TwoSidedDepth:
    """Depths of an object's front and back on its crop, (SIDE, SIDE) each: z where its middle stands at 1.

    `error` (SIDE, SIDE) is the scale of the front's error that the network expects, in the same unit;
    `expected_error` the mean of front and back, in sizes of the object. Values outside the crop's mask are
    those of the nearest pixel inside.
    """

    crop: PriorCrop
    front: Array
    back: Array
    error: Array
    expected_error: float

    def sample(self, values: Array, rays: Array) -> Array:
        """Values (SIDE, SIDE) on rays (N, 3) of the real camera."""
        column, row = self.crop.project(rays).T - 0.5
        return np.asarray(ndimage.map_coordinates(values, [row, column], order=1, mode="nearest"))


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


def predict_depths(view: MaskView) -> TwoSidedDepth:
    """The network's depths of a view with an image: the mean of those of several crops and mirror images."""
    assert view.image is not None
    build = partial(build_prior_crop, view.image, view.mask, view.camera)
    plain = build(view.depth)
    if not plain.mask.any():
        return _assume_flat(plain)
    crops = [(plain, False), (plain, True)]
    if not plain.is_measured:
        others = [(build(roll=roll, zoom=zoom), mirrored) for roll, zoom, mirrored in CROPS]
        crops = [(crop, mirrored) for crop, mirrored in others if crop.mask.any()] or crops
    values = np.mean([_predict(crop, plain, mirrored=mirrored) for crop, mirrored in crops], axis=0)
    depths, errors = values[:2], values[2:]
    if not plain.is_measured:
        depths = depths * STRETCH
    rows, columns = _find_nearest(plain.mask)
    front, back = 1 + depths[:, rows, columns]
    expected = float(errors[:, plain.mask].mean()) / plain.extent
    return TwoSidedDepth(plain, front, back, errors[0][rows, columns], expected)


def _assume_flat(crop: PriorCrop) -> TwoSidedDepth:
    """What is too thin to be seen in a crop."""
    flat = np.ones(crop.mask.shape)
    return TwoSidedDepth(crop, flat, flat, crop.extent * flat, 1.0)


def _predict(crop: PriorCrop, target: PriorCrop, *, mirrored: bool) -> Array:
    """What the network says of a crop whose mask is not empty, or of its mirror image, on another's pixels.

    (4, SIDE, SIDE): depths of front and back about the object's middle and their expected errors, where the
    middle stands at 1. The crops differ in roll and zoom alone, so that z is the same.
    """
    where = crop.mask
    turn = -1 if mirrored else 1
    values = np.concatenate(_run(crop.channels[..., ::turn], crop.tangent, where[:, ::turn]))
    values = values[..., ::turn] * crop.extent
    if crop is target:
        return values
    rows, columns = _find_nearest(where)
    column, row = crop.project(target.list_rays()).T - 0.5
    moved = [
        ndimage.map_coordinates(part, [row, column], order=1, mode="nearest")
        for part in values[:, rows, columns]
    ]
    return np.reshape(moved, values.shape)


def _find_nearest(where: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns (SIDE, SIDE) of the nearest pixel in a mask."""
    rows, columns = ndimage.distance_transform_edt(~where, return_distances=False, return_indices=True)
    return rows, columns


def _run(channels: NDArray[np.float32], tangent: float, where: Mask) -> tuple[Array, Array]:
    """Depths of front and back about the object's middle, and their expected errors, (2, SIDE, SIDE) each."""
    inputs = {
        "crop": np.ascontiguousarray(channels[None]),
        "tangent": np.array([tangent], dtype=np.float32),
    }
    with _session_lock:
        depths, scales = _session().run(None, inputs)
    depths = depths[0].astype(np.float64)
    middle = (depths[0, where].min() + depths[1, where].max()) / 2
    return depths - middle, np.exp(scales[0].astype(np.float64))


def build_learned_surface(view: MaskView) -> Surface:
    """The surface of an outline between the network's front and back, measured where the view has depth."""
    predicted = predict_depths(view)
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


@lru_cache(maxsize=1)
def _session() -> Any:
    return open_session(WEIGHTS, threads=1)
