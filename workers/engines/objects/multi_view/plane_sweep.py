"""How deep each view's pixels lie inside the visual hull, by comparing colours between views.

Plane sweep (Collins 1996): neighbouring views are laid over a view by the homographies of planes that face
it, and the depth whose colours agree best over a small window is taken. Of the neighbours only the better
half counts (Kang, Szeliski & Chai 2001), since the others may not see the point. Where depths explain the
colours equally well, the nearest one counts, so that the hull stays where nothing speaks against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.multi_view.visual_hull import Field, Grid
from workers.engines.objects.splats.refinement import Target
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera

Array = NDArray[np.float64]
NEIGHBOURS = 4
# degrees between the looks of views that are compared: the best, the least and the most
WANTED_ANGLE, LEAST_ANGLE, MOST_ANGLE = 20.0, 3.0, 50.0
WINDOW = 5
STEPS = 1.5
# grey levels: the most that a pixel counts, a difference that says nothing, and the most of a match
MOST_DIFFERENT, ALIKE, MATCHING = 60.0, 2.0, 15.0
DESCENT = 6
NOWHERE = np.float32(1e3)


@dataclass(frozen=True, slots=True, eq=False)
class Depths:
    """z-depths (h, w) float32 in the world's unit that a window of a view sees, NaN where nothing matches."""

    view: PosedCamera
    depth: NDArray[np.float32]


def sweep(
    targets: Sequence[Target], grid: Grid, field: Field, points: Array, middle: Array
) -> list[Depths] | None:
    """Depths of each window inside the hull, whose vertices are `points` (V, 3); None without neighbours.

    `middle` (3,) is what all views look at.
    """
    beside = _neighbours([one.view for one in targets], middle)
    if beside is None:
        return None
    pictures = [np.round(255 * one.color).astype(np.uint8) for one in targets]
    out = []
    for number, near in enumerate(beside):
        one = targets[number]
        z = one.view.cam_from_world.apply(points)[:, 2]
        step = STEPS * grid.step
        planes = np.arange(float(z.min()) - step, float(z.max()) + 2 * step, step)
        held = one.alpha > 0.5
        open_ = _inside(one.view, held, planes, grid, field)
        costs = _costs(
            pictures[number], one.view, held, planes, [(pictures[k], targets[k].view) for k in near]
        )
        costs[~open_] = NOWHERE
        out.append(Depths(one.view, _nearest_good(costs, planes, held)))
    return out


def _neighbours(views: Sequence[PosedCamera], middle: Array) -> list[list[int]] | None:
    """For each view the numbers of those it is compared with; None where one has fewer than two."""
    looks = np.stack([middle - view.centre() for view in views])
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    angles = np.degrees(np.arccos(np.clip(looks @ looks.T, -1, 1)))
    out = []
    for row in angles:
        order = np.argsort(np.abs(row - WANTED_ANGLE), kind="stable")
        found = [int(k) for k in order if LEAST_ANGLE < row[k] < MOST_ANGLE][:NEIGHBOURS]
        if len(found) < 2:
            return None
        out.append(found)
    return out


def _matrix(camera: Camera) -> Array:
    """Intrinsics (3, 3) for pixel centres at whole numbers, as OpenCV has them."""
    out = camera.matrix().copy()
    out[:2, 2] -= 0.5
    return out


def _inside(
    view: PosedCamera, held: NDArray[np.bool_], planes: Array, grid: Grid, field: Field
) -> NDArray[np.bool_]:
    """Which points of the sweep (planes, h, w) lie in the hull."""
    rows, columns = np.nonzero(held)
    local = np.stack([columns, rows, np.ones(len(rows))], axis=1) @ np.linalg.inv(_matrix(view.camera)).T
    rays = local @ view.cam_from_world.rotation_matrix() @ grid.axes.T / grid.step
    start = (grid.axes @ view.centre() - grid.low) / grid.step
    out = np.zeros((len(planes), *held.shape), dtype=bool)
    for number, z in enumerate(planes):
        at = np.clip(np.rint(start + rays * z).astype(np.int64), 0, grid.side - 1)
        out[number, rows, columns] = field[at[:, 0], at[:, 1], at[:, 2]] > -grid.step
    return out


def _costs(
    picture: NDArray[np.uint8],
    view: PosedCamera,
    held: NDArray[np.bool_],
    planes: Array,
    near: Sequence[tuple[NDArray[np.uint8], PosedCamera]],
) -> NDArray[np.float32]:
    """Mean difference of colour (planes, h, w) in grey levels over the window, of the better half."""
    height, width = held.shape
    mask = held.astype(np.float32)
    share = 1 / np.maximum(cv2.boxFilter(mask, -1, (WINDOW, WINDOW), normalize=False), 1)
    turn, shift = view.cam_from_world.rotation_matrix(), np.asarray(view.cam_from_world.translation)
    inverse = np.linalg.inv(_matrix(view.camera))
    mean = np.full((1, 3), 1 / 3, dtype=np.float32)
    first = np.full((len(planes), height, width), MOST_DIFFERENT, dtype=np.float32)
    second = first.copy()
    for other, seen_by in near:
        pose = seen_by.cam_from_world
        across = pose.rotation_matrix() @ turn.T
        moved = np.asarray(pose.translation) - across @ shift
        base = _matrix(seen_by.camera) @ across @ inverse
        push = _matrix(seen_by.camera) @ moved
        for number, z in enumerate(planes):
            # the homography of the plane at depth z: Hartley & Zisserman 2004, equation 13.2
            homography = base.copy()
            homography[:, 2] += push / z
            laid = cv2.warpPerspective(
                other, homography, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            )
            different = cv2.transform(cv2.absdiff(laid, picture), mean).astype(np.float32)
            np.minimum(different, MOST_DIFFERENT, out=different)
            different *= mask
            cost = cv2.boxFilter(different, -1, (WINDOW, WINDOW), normalize=False) * share
            worse = np.maximum(first[number], cost)
            np.minimum(first[number], cost, out=first[number])
            np.minimum(second[number], worse, out=second[number])
    return np.asarray((first + second) / 2, dtype=np.float32)


def _nearest_good(costs: NDArray[np.float32], planes: Array, held: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The nearest depth (h, w) that is about as good as the best, to a part of a step by a parabola."""
    last = len(planes) - 1

    def cost_at(index: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(np.take_along_axis(costs, np.clip(index, 0, last)[None], axis=0)[0])

    at = (costs <= costs.min(axis=0) + ALIKE).argmax(axis=0)
    for _ in range(DESCENT):
        at = np.where(cost_at(at + 1) < cost_at(at), np.minimum(at + 1, last), at)
    here, before, behind = cost_at(at), cost_at(at - 1), cost_at(at + 1)
    bend = before - 2 * here + behind
    smooth = (before < NOWHERE) & (behind < NOWHERE) & (bend > 1e-6)
    part = np.where(smooth, np.clip((before - behind) / (2 * np.maximum(bend, 1e-6)), -0.5, 0.5), 0.0)
    depth = planes[at] + part * (planes[1] - planes[0])
    return np.where(held & (here < MATCHING), depth, np.nan).astype(np.float32)
