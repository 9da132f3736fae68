"""Dense optical flow between neighbouring frames, and from it the motion of single objects."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.masks import area_of
from workers.engines.protocols import Mask, Rgb
from workers.geometry.boxes import mask_extent

WORK_SIDE = 640
FLOW_SIDE = 320
COARSE = 4
SEARCH = 32
GOOD_MATCH = 10.0
FAIR_MATCH = 20.0
FEW_PIXELS = 12
SLIVER = 0.25

Soft = NDArray[np.uint8]
Floats = NDArray[np.float32]


def shrink(image: Rgb, side: int) -> NDArray[np.uint8]:
    """An image whose longest side is at most `side`."""
    scale = min(1.0, side / max(image.shape[:2]))
    if scale == 1.0:
        return np.ascontiguousarray(image)
    size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA))


def flow_image(work: Rgb) -> Rgb:
    """The small RGB image that flow is computed on; at least 32 pixels a side, which DIS needs."""
    small = shrink(work, FLOW_SIDE)
    height, width = max(small.shape[0], 32), max(small.shape[1], 32)
    return np.asarray(cv2.resize(small, (width, height)))


@dataclass(frozen=True, slots=True)
class Motion:
    """Flow f32[h,w,2] forward from the old small frame, backward from the new one, and both frames.

    `trusted` marks where the two agree, in the old frame; `texture` is the strength of edges to hold on to.
    """

    forward: Floats
    backward: Floats
    trusted: Mask
    trusted_back: Mask
    texture: Floats
    old: Rgb
    new: Rgb


@dataclass(frozen=True, slots=True)
class Carried:
    """A mask moved to the new frame.

    `soft` u8 and `source` f32[h,w,2] (where each pixel was, xy) at working resolution; `inner` bool (h, w)
    says which pixels dense flow brings from the object; `error` f32 (h, w) is the colour difference along the
    motion in grey levels; `trust` the share of pixels with sure motion.
    """

    soft: Soft
    source: Floats
    inner: Mask
    error: Floats
    trust: float
    velocity: tuple[float, float]


def motion_between(old: Rgb, new: Rgb) -> Motion:
    """DIS flow in both directions between two small frames, checked against each other."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    before, after = cv2.cvtColor(old, cv2.COLOR_RGB2GRAY), cv2.cvtColor(new, cv2.COLOR_RGB2GRAY)
    forth = np.asarray(dis.calc(before, after, None), dtype=np.float32)
    back = np.asarray(dis.calc(after, before, None), dtype=np.float32)
    gx, gy = cv2.Sobel(before, cv2.CV_32F, 1, 0), cv2.Sobel(before, cv2.CV_32F, 0, 1)
    texture = cv2.blur(cv2.magnitude(gx, gy), (3, 3)) + np.float32(1)
    return Motion(forth, back, _agree(forth, back), _agree(back, forth), texture, old, new)


def _agree(there: Floats, back: Floats) -> Mask:
    target = _grid(*there.shape[:2]) + there
    returned = cv2.remap(back, target, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.linalg.norm(there + returned, axis=2)
    return np.asarray(error < 1.0 + 0.05 * np.linalg.norm(there, axis=2), dtype=np.bool_)


def carry(motion: Motion, soft: Soft, visible: Soft, velocity: tuple[float, float]) -> Carried:
    """Move a mask u8 (h, w) by the motion of its visible pixels, spread smoothly past its edge.

    Flow is wrong just outside an object, where it mixes with the ground; the object's own motion is not.
    Where flow explains the colours badly the object is searched for nearby; with too few pixels to tell, or
    less than a quarter in sight, it goes on with its last `velocity` (pixels of the flow image a frame).
    """
    height, width = motion.old.shape[:2]
    inside = np.asarray(cv2.resize(visible, (width, height), interpolation=cv2.INTER_AREA) > 127, np.bool_)
    core: Mask = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(np.bool_)
    core = core if np.count_nonzero(core) >= FEW_PIXELS else inside
    weight: Floats = (core & motion.trusted) * motion.texture
    trust = float(area_of(core & motion.trusted) / max(area_of(core), 1))
    flow = motion.forward
    mean = np.array(velocity, np.float32)
    sliver = area_of(visible > 127) < SLIVER * area_of(soft > 127)
    if sliver:
        weight = np.zeros_like(weight)
    elif np.count_nonzero(weight) >= FEW_PIXELS:
        mean = _weighted_median(flow[weight > 0], weight[weight > 0])
    if not sliver and np.count_nonzero(inside) >= FEW_PIXELS:
        found = _search(motion, inside, mean)
        if found is not None:
            mean = found
            weight, flow = core.astype(np.float32), np.full_like(flow, 0) + mean
    field = _spread(flow, weight, mean)
    grid = _grid(height, width)
    small = grid - cv2.remap(field, grid - mean, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(motion.old, small, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = cv2.blur(cv2.absdiff(moved, motion.new).astype(np.float32).mean(axis=2), (5, 5))
    work = soft.shape[1], soft.shape[0]
    stretch = np.array([work[0] / width, work[1] / height], np.float32)
    shift_back = cv2.resize(small - grid, work, interpolation=cv2.INTER_LINEAR) * stretch
    source = np.asarray(_grid(work[1], work[0]) + shift_back, dtype=np.float32)
    return Carried(
        warp(soft, source),
        source,
        _from_inside(motion, visible),
        np.asarray(cv2.resize(error, work, interpolation=cv2.INTER_LINEAR)),
        trust,
        (float(mean[0]), float(mean[1])),
    )


def drift(motion: Motion, soft: Soft, velocity: tuple[float, float]) -> Soft:
    """A mask u8 (h, w) of something out of sight, moved on with its last velocity."""
    height, width = soft.shape
    stretch = width / motion.old.shape[1], height / motion.old.shape[0]
    step = np.array([velocity[0] * stretch[0], velocity[1] * stretch[1]], np.float32)
    return warp(soft, _grid(height, width) - step)


def warp(soft: Soft, source: Floats) -> Soft:
    """A mask u8 (h, w) read at `source` xy; what comes from outside the frame is empty."""
    return np.asarray(cv2.remap(soft, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def _from_inside(motion: Motion, visible: Soft) -> Mask:
    height, width = motion.old.shape[:2]
    small = cv2.resize(visible, (width, height), interpolation=cv2.INTER_AREA)
    brought = warp(small, _grid(height, width) + motion.backward) * motion.trusted_back
    return np.asarray(cv2.resize(brought, (visible.shape[1], visible.shape[0])) > 127, dtype=np.bool_)


def _spread(flow: Floats, weight: Floats, mean: Floats) -> Floats:
    """The weighted flow smoothed and continued past its support, falling back to the mean far away."""
    height, width = weight.shape
    weight = weight / max(float(weight.max()), 1e-6)
    coarse = max(width // COARSE, 1), max(height // COARSE, 1)
    mass = cv2.resize(weight, coarse, interpolation=cv2.INTER_AREA)
    push = cv2.resize((flow - mean) * weight[..., None], coarse, interpolation=cv2.INTER_AREA)
    sigma = max(1.0, 0.15 * float(np.sqrt(np.count_nonzero(weight))) / COARSE)
    mass, push = cv2.GaussianBlur(mass, (0, 0), sigma), cv2.GaussianBlur(push, (0, 0), sigma)
    field = push / (mass + np.float32(0.02))[..., None]
    full = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full + mean, dtype=np.float32)


def _search(motion: Motion, inside: Mask, mean: Floats) -> Floats | None:
    """The whole-pixel shift near `mean` that explains the colours clearly better, if there is one."""
    x0, y0, x1, y1 = mask_extent(inside)
    stencil, template = inside[y0:y1, x0:x1], motion.old[y0:y1, x0:x1]
    dx, dy = round(float(mean[0])), round(float(mean[1]))
    pad = SEARCH + max(abs(dx), abs(dy))
    area = cv2.copyMakeBorder(motion.new, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    area = area[y0 : y1 + 2 * pad, x0 : x1 + 2 * pad]
    there = area[pad + dy : pad + dy + y1 - y0, pad + dx : pad + dx + x1 - x0]
    now = _rms(float(np.square(there[stencil].astype(np.float32) - template[stencil]).sum()), stencil)
    if now < GOOD_MATCH:
        return None
    score = cv2.matchTemplate(area, template, cv2.TM_SQDIFF, mask=cv2.merge([stencil.astype(np.uint8)] * 3))
    best = int(np.argmin(score))
    y, x = divmod(best, score.shape[1])
    if _rms(float(score[y, x]), stencil) > min(0.6 * now, FAIR_MATCH):
        return None
    return np.array([x - pad, y - pad], np.float32)


def _rms(squares: float, stencil: Mask) -> float:
    return float(np.sqrt(max(squares, 0.0) / (3 * max(area_of(stencil), 1))))


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    out = np.empty(2, np.float32)
    for axis in (0, 1):
        order = np.argsort(values[:, axis], kind="stable")
        total = np.cumsum(weights[order], dtype=np.float64)
        out[axis] = values[order[int(np.searchsorted(total, total[-1] / 2))], axis]
    return out


def _grid(height: int, width: int) -> Floats:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)
