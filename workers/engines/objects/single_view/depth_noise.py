"""How noisy a depth map is, and what is left of it where noise hides the shape: the object's distance."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.surface import Surface
from workers.geometry.boxes import mask_extent
from workers.geometry.mesh_renderer import rasterize

Array = NDArray[np.float64]
# Noise in sizes of the object up to which each value stands for itself, and from which a map says no more
# than how far away the object is. Sensors' noise is about 0.01; maps with 0.05 still add 0.2 of IoU on 25
# real objects.
FINE_NOISE, MAX_NOISE = 0.01, 0.1
# Usable values that a map needs inside the mask, in pixels and as a share of it. Chosen, not measured.
MIN_PIXELS, MIN_SHARE = 16, 0.02
# Of normally distributed numbers the standard deviation is this times the median deviation; that of a value
# minus the mean of its two neighbours is larger by the root of 1.5.
MAD_TO_DEVIATION, SECOND_DIFFERENCE = 1.4826, float(np.sqrt(1.5))


def estimate_noise(view: MaskView) -> float:
    """The standard deviation of single values of a view's depth in sizes of the object, or infinity.

    Measured on how each value differs from its neighbours' mean, and on the steps between values. Infinite
    where the map has too few values of the object, or one value everywhere.
    """
    own = view.own_depth
    if view.depth is None or int(own.sum()) < max(MIN_PIXELS, MIN_SHARE * int(view.mask.sum())):
        return np.inf
    values = view.depth[own].astype(np.float64)
    steps = np.diff(np.unique(values))
    if not len(steps):
        return np.inf
    x0, y0, x1, y1 = mask_extent(own)
    depth = np.where(own, view.depth, np.nan)[y0:y1, x0:x1]
    bends = np.concatenate(
        [_bend(depth[:, :-2], depth[:, 1:-1], depth[:, 2:]), _bend(depth[:-2], depth[1:-1], depth[2:])]
    )
    bent = float(np.median(bends)) * MAD_TO_DEVIATION / SECOND_DIFFERENCE if len(bends) else 0.0
    # values between two steps are off by up to half of one
    quantised = float(np.median(steps)) / float(np.sqrt(12))
    return max(bent, quantised) / view.measured_size


def _bend(before: Array, here: Array, after: Array) -> Array:
    """How far known values lie from the mean of the one before and the one after."""
    bend = np.abs(here - (before + after) / 2)
    return np.asarray(bend[np.isfinite(bend)], dtype=np.float64)


def shows_shape(view: MaskView) -> bool:
    """Whether a view's depth says more about the object than how far away it is."""
    return estimate_noise(view) <= MAX_NOISE


def scale_to_depth(surface: Surface, view: MaskView) -> Surface:
    """A surface at about z = 1 moved along its rays to the median depth that was measured, if any was."""
    own = view.own_depth
    if view.depth is None or int(own.sum()) < max(MIN_PIXELS, MIN_SHARE * int(view.mask.sum())):
        return surface
    front = rasterize(surface.vertices, surface.faces, view.camera).depth
    both = own & np.isfinite(front)
    if not both.any():
        return surface
    scale = float(np.median(view.depth[both] / front[both]))
    return replace(surface, vertices=surface.vertices * scale, is_metric=True)
