"""Moving an object's masks to the next frame by the motion of its visible pixels.

Model: flow is wrong just outside an object, where it mixes with the background, and the object's own motion
is not. So the flow of its visible pixels, weighted by texture, is smoothed and continued past its edge. Where
that motion explains the colours badly, the object is searched for nearby as a template that only shifts. With
too few pixels in sight to tell, it keeps its last velocity.

Units: masks and `source` are in working pixels, flow and velocities in flow pixels per frame, colours in grey
levels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import PropagationConfig
from workers.engines.concepts.tracking.optical_flow import Floats, FrameFlow, pixel_grid
from workers.engines.concepts.tracking.soft_masks import SoftMask
from workers.engines.concepts.tracking.state import Track
from workers.engines.concepts.tracking.template_search import find_shift
from workers.engines.protocols import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagatedMask:
    """An object's amodal mask in the new frame, and what is known of its motion.

    `amodal` u8[h,w]; `source` f32[h,w,2] says where in the old frame each pixel was (x, y); `from_object`
    bool[h,w] marks pixels that dense flow brings from the visible object; `color_error` f32[h,w] is the
    colour difference along the motion; `trust` is the share of the object's pixels with consistent flow.
    """

    amodal: SoftMask
    source: Floats
    from_object: Mask
    color_error: Floats
    trust: float
    velocity: tuple[float, float]


def propagate_mask(flow: FrameFlow, track: Track, config: PropagationConfig) -> PropagatedMask:
    """Move a track's masks u8 (h, w) to the new frame of a flow."""
    height, width = flow.old.shape[:2]
    visible = np.asarray(
        cv2.resize(track.visible, (width, height), interpolation=cv2.INTER_AREA) > 127, np.bool_
    )
    core: Mask = cv2.erode(visible.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(
        np.bool_
    )
    core = core if np.count_nonzero(core) >= config.min_pixels else visible
    trust = float(mask_area(core & flow.consistent) / max(mask_area(core), 1))
    motion, mean = _measure_motion(flow, track, visible, core, config)
    grid = pixel_grid(height, width)
    source = grid - cv2.remap(motion, grid - mean, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(flow.old, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = cv2.blur(cv2.absdiff(moved, flow.new).astype(np.float32).mean(axis=2), (5, 5))
    work = track.amodal.shape[1], track.amodal.shape[0]
    scale = np.array([work[0] / width, work[1] / height], np.float32)
    shift_back = cv2.resize(source - grid, work, interpolation=cv2.INTER_LINEAR) * scale
    work_source = np.asarray(pixel_grid(work[1], work[0]) + shift_back, dtype=np.float32)
    return PropagatedMask(
        amodal=warp_mask(track.amodal, work_source),
        source=work_source,
        from_object=_flow_from_object(flow, track.visible),
        color_error=np.asarray(cv2.resize(error, work, interpolation=cv2.INTER_LINEAR)),
        trust=trust,
        velocity=(float(mean[0]), float(mean[1])),
    )


def extrapolate_mask(flow: FrameFlow, mask: SoftMask, velocity: tuple[float, float]) -> SoftMask:
    """A mask u8 (h, w) of an object out of sight, moved by its last velocity (flow pixels per frame)."""
    height, width = mask.shape
    scale = width / flow.old.shape[1], height / flow.old.shape[0]
    step = np.array([velocity[0] * scale[0], velocity[1] * scale[1]], np.float32)
    return shift_mask(mask, step)


def shift_mask(mask: SoftMask, step: Floats) -> SoftMask:
    """A mask u8 (h, w) moved by a step (x, y) in its own pixels."""
    return warp_mask(mask, pixel_grid(*mask.shape) - step)


def warp_mask(mask: SoftMask, source: Floats) -> SoftMask:
    """A mask u8 (h, w) sampled at `source` (x, y); outside the frame it is empty."""
    return np.asarray(cv2.remap(mask, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def _measure_motion(
    flow: FrameFlow, track: Track, visible: Mask, core: Mask, config: PropagationConfig
) -> tuple[Floats, Floats]:
    """The object's motion field f32[h,w,2] in the old frame, and its mean motion (2,), both in flow pixels.

    `visible` (h, w) is its part in sight in flow pixels, `core` the same without its rim.
    """
    weight: Floats = (core & flow.consistent) * flow.texture
    vectors, mean = flow.forward, np.array(track.velocity, np.float32)
    visible_area, area = mask_area(track.visible_mask), mask_area(track.amodal_mask)
    if visible_area < config.min_visible_share * area:
        weight = np.zeros_like(weight)
    else:
        if np.count_nonzero(weight) >= config.min_pixels:
            mean = _weighted_median(vectors[weight > 0], weight[weight > 0])
        if np.count_nonzero(visible) >= config.min_pixels:
            shift = find_shift(flow, visible, mean, config)
            if shift is not None:
                mean = shift
                weight, vectors = core.astype(np.float32), np.full_like(vectors, 0) + mean
    return _extend_flow(vectors, weight, mean, config), mean


def _flow_from_object(flow: FrameFlow, visible: SoftMask) -> Mask:
    """The pixels (h, w) of the new frame that dense backward flow leads to the visible object."""
    height, width = flow.old.shape[:2]
    small = cv2.resize(visible, (width, height), interpolation=cv2.INTER_AREA)
    source = warp_mask(small, pixel_grid(height, width) + flow.backward) * flow.consistent_back
    return np.asarray(cv2.resize(source, (visible.shape[1], visible.shape[0])) > 127, dtype=np.bool_)


def _extend_flow(vectors: Floats, weight: Floats, mean: Floats, config: PropagationConfig) -> Floats:
    """The weighted flow smoothed and continued past its support; far away it is the mean."""
    height, width = weight.shape
    weight = weight / max(float(weight.max()), 1e-6)
    coarse = max(width // config.grid_step, 1), max(height // config.grid_step, 1)
    mass = cv2.resize(weight, coarse, interpolation=cv2.INTER_AREA)
    sums = cv2.resize((vectors - mean) * weight[..., None], coarse, interpolation=cv2.INTER_AREA)
    size = float(np.sqrt(np.count_nonzero(weight)))
    sigma = max(1.0, config.smoothing_share * size / config.grid_step)
    mass, sums = cv2.GaussianBlur(mass, (0, 0), sigma), cv2.GaussianBlur(sums, (0, 0), sigma)
    field = sums / (mass + np.float32(config.fallback_weight))[..., None]
    full = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full + mean, dtype=np.float32)


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    out = np.empty(2, np.float32)
    for axis in (0, 1):
        order = np.argsort(values[:, axis], kind="stable")
        total = np.cumsum(weights[order], dtype=np.float64)
        out[axis] = values[order[int(np.searchsorted(total, total[-1] / 2))], axis]
    return out
